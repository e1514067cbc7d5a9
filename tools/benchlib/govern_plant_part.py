"""The part of the governor's benchmark that runs on the second plant: all cases on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial

from benchlib import BenchError, govern_model
from benchlib.govern import Found, cores
from benchlib.govern_plant import (
    BOARDS,
    CAPS,
    QUICK_S,
    SECONDS,
    SEEDS,
    Case,
    Outcome,
    cases,
    clock_steps,
    evaluate,
    governor_of,
    groups,
    kept,
    scene_of,
)
from benchlib.govern_plant_band import Bands, band_jobs, bands, coverage
from benchlib.govern_plant_long import evaluate_long, long_cases
from benchlib.model_board import simulate as simulate_twin
from benchlib.plant_best import Constants
from benchlib.plant_leak import Learnt, gathered, leak_jobs, learn
from benchlib.plant_run import simulate
from edge_rt.config.schema import BudgetConfig
from edge_rt.core.limits import ClockSteps
from edge_rt.twin.shape import Shape

_WORKS = ("1x100/150", "1x600/40")
_TWINS = {"pi5": "raspberry-pi-5", "nano": "jetson-orin-nano-8gb"}


def clock_cases(quick: bool, only: str = "") -> list[Case]:
    """Boards of the second plant, and of our own twin."""
    words = only.split()
    return [c for c in _cases(quick) if all(word in c.label.split() for word in words)]


def _cases(quick: bool) -> Iterator[Case]:
    for seed in SEEDS[:1] if quick else SEEDS:
        for board in ["pi5"] if quick else BOARDS:
            for work in _WORKS[:1] if quick else _WORKS:
                yield Case("clock", board, work, seed, CAPS[0])
        for board in _TWINS:
            yield Case("clock-twin", board, "1x100/150", seed, CAPS[0])


def evaluate_clock(case: Case, seconds: float) -> list[Outcome]:
    """Run one case with the clock and without it."""
    return [_on_twin(case, seconds) if case.part == "clock-twin" else _on_plant(case, seconds)]


def _on_plant(case: Case, seconds: float) -> Outcome:
    scene = scene_of(case, seconds)
    constants = Constants(scene)
    budget = BudgetConfig(power_w=case.cap * constants.full_w, power_window_s=case.window_s)
    steps = clock_steps(scene)
    with_clock = simulate(scene, governor_of(scene, budget, steps).step)
    without = simulate(scene, governor_of(scene, budget).step)
    values = kept(with_clock, case.cap * constants.full_w, constants.begin_s, case.window_s)
    values["gain"] = constants.work(with_clock) / constants.work(without)
    return _outcome(case, values)


def _on_twin(case: Case, seconds: float) -> Outcome:
    scene = govern_model.capped_scene(_TWINS[case.board], case.seed, seconds=seconds)
    begin_s = scene.idle_s + govern_model.SETTLED_S
    cap_w = case.cap * govern_model.at_full(scene).mean_w(begin_s)
    budget, steps_hz = BudgetConfig(power_w=cap_w), tuple(reversed(Shape.of(scene.board).steps_hz))
    speeds: list[float] = []
    values: dict[str, float] = {}
    for steps in (ClockSteps(steps_hz), ClockSteps()):
        trace = simulate_twin(scene, govern_model.governed(scene.board, budget, clocks=steps).step)
        speeds.append(govern_model.tokens_per_s(scene, trace))
        values = values or kept(trace, cap_w, begin_s, 1.0)
    values["gain"] = speeds[0] / speeds[1]
    return _outcome(case, values)


def _outcome(case: Case, values: dict[str, float]) -> Outcome:
    line = (
        f"{case.label}: {values['gain']:.3f} times the tokens with the clock,"
        f" {values['ok']:.2%} of windows"
    )
    return Outcome(case, values, line)


HEADLINE = (
    "plant_ok_min",
    "plant_tokens_mean",
    "plant_tokens_min",
    "plant_hidden_ok_min",
    "plant_step_s_max",
    "plant_gpu_ok_min",
    "power_error_max",
    "clock_gain_60",
    "hold_tokens_min",
    "leak_ok",
    "leak_cover",
)

Result = Outcome | Bands | Learnt
Job = Callable[[], Sequence[Result]]
Say = Callable[[str], object]


def plant(say: Say, quick: bool, only: str = "") -> Found:
    """All cases whose labels have every word of `only`; BenchError where there is none."""
    jobs = list(_jobs(quick, only))
    if not jobs:
        raise BenchError(f"no case on the second plant has all words of {only!r}")
    results: list[Result] = []
    with ProcessPoolExecutor(cores()) as pool:
        waiting: list[Future[Sequence[Result]]] = [pool.submit(job) for job in jobs]
        for future in as_completed(waiting):
            for result in future.result():
                results.append(result)
                say(result.line)
    return found_of(results)


def found_of(results: Sequence[Result]) -> Found:
    """The figures of all cases, and the worst ones named."""
    outcomes = [one for one in results if isinstance(one, Outcome)]
    values = _values(outcomes)
    told = [one for one in results if isinstance(one, Bands)]
    learnt = [one for one in results if isinstance(one, Learnt)]
    values |= coverage(told) if told else {}
    values |= gathered(learnt) if learnt else {}
    details = {
        "figures": values,
        "cases": [{"case": one.case.label, **one.values} for one in outcomes],
        "bands": [asdict(one) for one in told],
        "leakage": [asdict(one) for one in learnt],
    }
    return Found(values=values, details={"plant": details}, notes=list(_worst(outcomes)))


def _jobs(quick: bool, only: str) -> Iterable[Job]:
    """The long ones first, so that no core waits for them at the end."""
    for case in long_cases(quick, only):
        yield partial(evaluate_long, case, quick)
    seconds = QUICK_S if quick else SECONDS
    for case in clock_cases(quick, only):
        yield partial(evaluate_clock, case, seconds)
    for group in groups(cases(quick, only)):
        yield partial(evaluate, group, seconds)
    for job in band_jobs(quick, only):
        yield partial(_bands, job, quick)
    for leak in leak_jobs(quick, only):
        yield partial(_learn, leak)


def _bands(job: tuple[str, str, int], quick: bool) -> list[Bands]:
    return [bands(job, quick)]


def _learn(job: tuple[str, int]) -> list[Learnt]:
    return [learn(job)]


_LEAST = {  # value: the figure whose minimum it is, and the parts with that figure
    "plant_ok_min": ("ok", ("plain", "slow")),
    "plant_tokens_min": ("tokens", ("plain",)),
    "plant_hidden_ok_min": ("ok", ("hidden",)),
    "plant_gpu_ok_min": ("ok", ("gpu",)),
    "clock_gain_60": ("gain", ("clock", "clock-twin")),
    "hold_tokens_min": ("hold", ("hold",)),
    "throttles_without": ("throttles_without", ("heat",)),
}
_MOST = {  # the same for maxima
    "plant_step_s_max": ("step_s", ("hidden",)),
    "power_error_max": ("power_error", ("hour",)),
}


def _values(outcomes: Sequence[Outcome]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, (figure, parts) in _LEAST.items():
        known = _known(outcomes, figure, parts)
        found |= {name: min(known)} if known else {}
    for name, (figure, parts) in _MOST.items():
        known = _known(outcomes, figure, parts)
        found |= {name: max(known)} if known else {}
    tokens = _known(outcomes, "tokens", ("plain",))
    throttles = _known(outcomes, "throttles", ("hold", "heat"))
    found |= {"plant_tokens_mean": sum(tokens) / len(tokens)} if tokens else {}
    return found | ({"throttles": sum(throttles)} if throttles else {})


def _known(outcomes: Sequence[Outcome], figure: str, parts: Sequence[str]) -> list[float]:
    return [o.values[figure] for o in outcomes if o.case.part in parts and figure in o.values]


def _worst(outcomes: Sequence[Outcome]) -> Iterable[str]:
    """A note for each value that a single case sets."""
    for best, table in ((min, _LEAST), (max, _MOST)):
        for name, (figure, parts) in table.items():
            known = [o for o in outcomes if o.case.part in parts and figure in o.values]
            if known:
                yield f"{name}: {best(known, key=_by(figure)).line}"


def _by(figure: str) -> Callable[[Outcome], float]:
    return lambda outcome: outcome.values[figure]
