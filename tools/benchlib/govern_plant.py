"""The governor on the second plant: cases and their outcomes.

The plant shares no equation with the governor, except for the power of a board without a sensor
(pi4): there the cap is kept, and judged, in the watts that the product models.

- plain: a cap without other programs, compared with the best constant setting
- hidden: the same with other programs that come and go, and on boards with a sensor of the whole
  supply with devices that only power shows
- gpu: a model whose layers are on the GPU
- slow: a Jetson whose power is read through jtop, once a second
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import groupby, pairwise, product

from benchlib.boards import load_boards
from benchlib.plant_best import Constants
from benchlib.plant_figures import draw
from benchlib.plant_kinds import KINDS, Kind, Supply
from benchlib.plant_load import NOBODY, WORKS, Program, coming_and_going
from benchlib.plant_run import Scene, simulate
from benchlib.trace import STEP_S, Trace, steps, window_means
from edge_rt.config.board import Board
from edge_rt.config.schema import BudgetConfig, GovernorConfig
from edge_rt.core.limits import ClockSteps
from edge_rt.governor.policy.governor import Governor
from edge_rt.governor.power.draws import priors_of
from edge_rt.thermal.model import ThermalModel
from edge_rt.thermal.network import ThermalPrior

BOARDS: Mapping[str, str] = {
    "pi4": "raspberry-pi-4b",
    "pi5": "raspberry-pi-5",
    "nano": "jetson-orin-nano-8gb",
    "agx": "jetson-agx-orin-64gb",
    "pc": "generic-x86",
}
CAPS = (0.6, 0.75, 0.9)  # as shares of the mean power without a cap
SEEDS = (0, 1, 2)
SECONDS, QUICK_S = 150.0, 60.0
_COOL_C = 15.0  # so that heat does not disturb a cap
_GPU_WORKS = ("1x100/150", "1x600/40", "4x400/60")
NO_CLOCKS = ClockSteps()
_JTOP = Supply("jtop", 1.0, (0.04,))
_FAST_S, _READINGS = 0.25, 5  # slower sensors have windows of so many readings
_OTHERS = 0.35  # most power of others, over what the lowest cap leaves above rest
_CALM_S = 0.5  # time under the cap after which a step of others is over
_GRACE_S = 1.5  # time that windows may take to exceed the cap after a step


@dataclass(frozen=True)
class Case:
    """One scene under one cap; a cap of one or more is none."""

    part: str
    board: str
    work: str
    seed: int
    cap: float

    @property
    def label(self) -> str:
        """For people, and to choose cases by."""
        cap = f"{100 * self.cap:.0f}%" if self.cap < 1.0 else "uncapped"
        return f"{self.part} {self.board} {self.work} {cap} seed{self.seed}"

    @property
    def kind(self) -> Kind:
        """The board's kind."""
        kind = KINDS[BOARDS[self.board]]
        return replace(kind, supply=_JTOP) if self.part == "slow" else kind

    @property
    def window_s(self) -> float:
        """Length of the cap's window: one second, or more with a slow sensor."""
        return window_s(self.kind)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a case: figures by name, and one line for people."""

    case: Case
    values: Mapping[str, float] = field(default_factory=dict[str, float])
    line: str = ""


def cases(quick: bool, only: str = "") -> list[Case]:
    """All cases whose labels have every word of `only`; quick ones are a few of each part."""
    words = only.split()
    return [c for c in _cases(quick) if all(word in c.label.split() for word in words)]


def _cases(quick: bool) -> Iterator[Case]:
    seeds, caps = (SEEDS[:1], CAPS[1:2]) if quick else (SEEDS, CAPS)
    boards, works = (["pi5", "nano"], list(WORKS)[:1]) if quick else (list(BOARDS), list(WORKS))
    for part, there, jobs in (
        ("plain", boards, works),
        ("hidden", boards, works),
        ("gpu", [b for b in ("nano", "agx") if b in boards], [w for w in works if w in _GPU_WORKS]),
        ("slow", ["nano"], works[:1]),
    ):
        for board, work, seed, cap in product(there, jobs, seeds, caps):
            yield Case(part, board, work, seed, cap)


def groups(found: Iterable[Case]) -> list[list[Case]]:
    """Cases of the same scene, whose constant settings are run once."""

    def scene(case: Case) -> tuple[str, str, str, int]:
        return case.part, case.board, case.work, case.seed

    return [list(group) for _, group in groupby(found, scene)]


def evaluate(group: Sequence[Case], seconds: float) -> list[Outcome]:
    """Run all caps of one scene."""
    constants = Constants(scene_of(group[0], seconds))
    return [_outcome(case, constants) for case in group]


def scene_of(case: Case, seconds: float) -> Scene:
    """The scene of a case, without others."""
    on_gpu = case.part == "gpu"
    figures = draw(case.kind, case.seed, on_gpu)
    profile = load_profile(case.kind.profile)
    scene = Scene(figures, profile, WORKS[case.work], case.seed, seconds, cool(), on_gpu=on_gpu)
    return replace(scene, start_c=_COOL_C + 15.0)


def cool() -> Program:
    """No other programs, and a room so cool that heat never limits."""
    quiet = Program()
    return replace(quiet, weather=((0.0, replace(quiet.weather_at(0.0), room_c=_COOL_C)),))


@lru_cache
def load_profile(name: str) -> Board:
    """The product's profile of a board."""
    return load_boards()[name]


def window_s(kind: Kind) -> float:
    """The shortest window in which a cap can be kept with the board's sensor."""
    period_s = kind.supply.period_s
    return 1.0 if period_s <= _FAST_S else _READINGS * period_s


def clock_steps(scene: Scene) -> ClockSteps:
    """All clocks of the board."""
    kind = scene.figures.kind
    return ClockSteps(kind.steps_hz, () if kind.gpu is None else kind.gpu.steps_hz)


def governor_of(scene: Scene, budget: BudgetConfig, clocks: ClockSteps = NO_CLOCKS) -> Governor:
    """A governor as the daemon makes it for a board that is new to it."""
    kind, profile = scene.figures.kind, scene.profile
    power, full = priors_of(profile), profile.draw.loaded_w
    loaded_w = power.idle_w + kind.cores * power.core_w if full is None else full.value
    heat = ThermalPrior.generic(loaded_w, fan=bool(kind.fan_points), idle_w=power.idle_w)
    return Governor(kind.cores, budget, ThermalModel(heat), power, GovernorConfig(), clocks)


def _outcome(case: Case, constants: Constants) -> Outcome:
    cap_w = case.cap * constants.full_w
    scene = constants.scene
    if case.part == "hidden":
        scene = replace(scene, program=_with_others(scene, constants))
    budget = BudgetConfig(power_w=cap_w, power_window_s=case.window_s)
    trace = simulate(scene, governor_of(scene, budget, clock_steps(scene)).step)
    values = kept(trace, cap_w, constants.begin_s, case.window_s)
    if case.part == "hidden":
        values["step_s"] = step_s(trace, cap_w, constants.begin_s, case.window_s, scene.program)
        back = f"back {values['step_s']:.1f} s after a step"
        return Outcome(case, values, f"{case.label}: {_kept(values)}, {back}")
    best = constants.best(cap_w, case.window_s)
    if best is None:
        return Outcome(case, values, f"{case.label}: {_kept(values)}; no constant setting keeps it")
    values["tokens"] = constants.work(trace) / best.work_per_s
    return Outcome(
        case, values, f"{case.label}: {_kept(values)}; {values['tokens']:.3f} of {best.setting}"
    )


def _with_others(scene: Scene, constants: Constants) -> Program:
    """`scene`'s program with others whose power fits under the lowest cap."""
    kind, rest_w = scene.figures.kind, min(constants.full.power_w)
    room_w = _OTHERS * max(0.1, CAPS[0] * constants.full_w - rest_w)
    core_w = (constants.full_w - rest_w) / kind.cores
    gpu = min(0.5, room_w / kind.gpu.switching_w) if kind.gpu is not None else 0.0
    cores = min(0.5 * kind.cores, room_w / core_w) / (1.0 if kind.gpu is None else 2.0)
    rail_w = 0.0 if kind.supply.meter in ("modelled", "rapl") else room_w
    others = coming_and_going(
        scene.seed, scene.seconds, cores, constants.begin_s + 10.0, 0.5 * gpu, rail_w
    )
    return replace(scene.program, others=others)


def kept(trace: Trace, cap_w: float, begin_s: float, window_s: float) -> dict[str, float]:
    """The share of the windows within the cap, and the worst of them over the cap."""
    worst_w = max(trace.windows_w(begin_s, window_s))
    return {
        "ok": trace.under(cap_w, begin_s, window_s),
        "worst": worst_w / cap_w,
        "cap_w": cap_w,
        "mean": trace.mean_w(begin_s) / cap_w,
    }


def step_s(trace: Trace, cap_w: float, begin_s: float, window_s: float, program: Program) -> float:
    """The longest time from a step of others until windows are within the cap for good."""
    size = steps(window_s)
    over = [mean > cap_w * (1.0 + 1e-9) for mean in window_means(trace.power_w, size)]
    changes = [*program.others, (len(trace.power_w) * STEP_S, NOBODY)]
    longest = 0
    for (time_s, others), (next_s, _) in pairwise(changes):
        if others == NOBODY or time_s < begin_s:
            continue
        ends = range(steps(time_s), min(steps(next_s), len(over) + size - 1))
        longest = max(longest, _over_for([over[k + 1 - size] for k in ends if k + 1 >= size]))
    return longest * STEP_S


def _over_for(over: Sequence[bool]) -> int:
    """Steps until the cap is exceeded for the last time before it is kept for half a second."""
    calm, last = steps(_CALM_S), 0
    for number, above in enumerate(over, 1):
        if above:
            last = number
        elif number - last >= calm + (0 if last else steps(_GRACE_S)):
            break
    return last


def _kept(values: Mapping[str, float]) -> str:
    return (
        f"{100 * values['ok']:.2f} % of windows within {values['cap_w']:.2f} W,"
        f" worst {values['worst']:.3f}, mean {values['mean']:.3f}"
    )
