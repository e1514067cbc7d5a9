"""Long runs on the second plant: predictions, and heat that may hold back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from statistics import fmean

from benchlib.govern_plant import Outcome, governor_of
from benchlib.plant_best import Constants
from benchlib.plant_cases import BOARDS, SEEDS, Case, chosen, clock_steps, scene_of
from benchlib.plant_load import Program, Weather
from benchlib.plant_run import Scene, constant, simulate
from benchlib.trace import STEP_S, Trace
from edge_rt.config.schema import BudgetConfig
from edge_rt.core.limits import Limits, Observation
from edge_rt.governor.policy.governor import Governor

HOUR_S = 3600.0
_LAST_S = 60.0  # time over which predictions are compared with the power
_EARLY_S = 600.0  # time that the governor has to learn
_HOLD_S, _HEAT_S, _QUICK_HEAT_S = 900.0, 1200.0, 700.0
_HOURS = (("1x600/40", 1.5), ("4x400/60", 1.5), ("1x600/40", 0.75))
_HOLD = {"pi4": 25.0, "pi5": 40.0}  # boards that get hot and do not throttle, and their rooms
_PLAIN = Weather(25.0)


class Recorder:
    """A governor whose predicted power is kept at each look."""

    def __init__(self, governor: Governor) -> None:
        self._governor = governor
        self.predicted_w: list[float | None] = []

    def step(self, seen: Observation) -> Limits:
        """The governor's limits."""
        limits = self._governor.step(seen)
        self.predicted_w.append(self._governor.report.predicted_w)
        return limits


@dataclass(frozen=True)
class Heat:
    """A failure that heats a board, as weather by time."""

    name: str
    changes: tuple[tuple[float, Weather], ...]

    @property
    def program(self) -> Program:
        """The program of a scene with this weather."""
        return Program(weather=self.changes)


HEATS = (
    Heat("dead fan", ((0.0, Weather(40.0)), (400.0, Weather(40.0, fan_works=False)))),
    Heat("closed case", ((0.0, Weather(35.0)), (300.0, Weather(42.0, shut=True)))),
)


def long_cases(quick: bool, only: str = "") -> list[Case]:
    """Cases of an hour without a cap and with one, of four streams on hot boards, and of heat."""
    return chosen(_cases(quick), only)


def _cases(quick: bool) -> Iterator[Case]:
    seeds = SEEDS[:1] if quick else SEEDS
    boards = ["pi5"] if quick else list(BOARDS)
    for (work, cap), board, seed in product(_HOURS[:1] if quick else _HOURS, boards, seeds):
        yield Case("hour", board, work, seed, cap)
    for board, seed in product([b for b in _HOLD if b in boards], seeds):
        yield Case("hold", board, "4x400/60", seed, 1.5)
    for board, seed in product(boards, seeds):
        yield Case("heat", board, "1x100/150", seed, 1.5)


def evaluate_long(case: Case, quick: bool) -> list[Outcome]:
    """Run one case."""
    if case.part == "hour":
        return [_hour(case, 0.1 * HOUR_S if quick else HOUR_S)]
    if case.part == "hold":
        return [_hold(case, 0.4 * _HOLD_S if quick else _HOLD_S)]
    if quick:
        return [_heat(case, HEATS[0], _QUICK_HEAT_S)]
    return [_heat(case, heat, _HEAT_S) for heat in HEATS]


def _hour(case: Case, seconds: float) -> Outcome:
    """The error of predicted watts at the end, and the largest from the tenth minute on."""
    scene = replace(scene_of(case, seconds), program=Program(), start_c=None)
    budget = BudgetConfig()
    if case.cap < 1.0:
        short = Constants(replace(scene, seconds=60.0))
        budget = BudgetConfig(power_w=case.cap * short.full_w, power_window_s=case.window_s)
    recorder = Recorder(governor_of(scene, budget, clock_steps(scene)))
    trace = simulate(scene, recorder.step)
    errors = prediction_errors(trace, recorder.predicted_w)
    early = round(_EARLY_S / _LAST_S)
    values = {"power_error": errors[-1], "power_error_later": max(errors[early:] or errors[-1:])}
    return Outcome(
        case,
        values,
        f"{case.label}: watts off by {errors[-1]:.1%} in the last minute,"
        f" at most {values['power_error_later']:.1%}",
    )


def prediction_errors(trace: Trace, predicted_w: Sequence[float | None]) -> list[float]:
    """For each minute, the relative error of the mean prediction."""
    looks, size = len(predicted_w), round(_LAST_S / STEP_S)
    each = len(trace.power_w) // looks
    found: list[float] = []
    for begin in range(0, len(trace.power_w) - size + 1, size):
        told = [w for w in predicted_w[begin // each : (begin + size) // each] if w is not None]
        true_w = fmean(trace.power_w[begin : begin + size])
        found.append(abs(fmean(told) / true_w - 1.0) if told else 1.0)
    return found


def _hold(case: Case, seconds: float) -> Outcome:
    """Four streams on a hot board: governed tokens over ungoverned ones, without throttling."""
    weather = Program(weather=((0.0, replace(_PLAIN, room_c=_HOLD[case.board])),))
    scene = replace(scene_of(case, seconds), program=weather, start_c=60.0)
    free, trace = _both(scene)
    peak = f"{max(free.temp_c):.0f} °C ungoverned"
    if free.throttles:
        return Outcome(case, {}, f"{case.label}: throttles when ungoverned, {peak}")
    cost = Constants(replace(scene, seconds=20.0)).prompt_cost
    ratio = trace.work_per_s(cost, 10.0) / free.work_per_s(cost, 10.0)
    return Outcome(
        case,
        {"hold": ratio, "throttles": float(trace.throttles)},
        f"{case.label}: {ratio:.3f} of the ungoverned tokens, {peak}",
    )


def _heat(case: Case, heat: Heat, seconds: float) -> Outcome:
    """A dead fan or a closed case: how often the board throttles with and without a governor."""
    scene = replace(scene_of(case, seconds), program=heat.program, start_c=None)
    free, trace = _both(scene)
    cost = Constants(replace(scene, seconds=20.0)).prompt_cost
    share = trace.work_per_s(cost, 10.0) / free.work_per_s(cost, 10.0)
    values = {"throttles": float(trace.throttles)}
    if free.throttles:
        values["throttles_without"] = float(free.throttles)
    return Outcome(
        case,
        values,
        f"{case.label}, {heat.name}: {trace.throttles} throttle events, {free.throttles} without"
        f" governor, {share:.3f} of those tokens, peak {max(trace.temp_c):.1f} °C",
    )


def _both(scene: Scene) -> tuple[Trace, Trace]:
    """The traces without a governor, and with one."""
    free = simulate(scene, constant(scene.figures.kind.cores, 1.0))
    return free, simulate(scene, governor_of(scene, BudgetConfig(), clock_steps(scene)).step)
