"""The part of the governor's benchmark that runs on the second plant: all cases on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial
from pathlib import Path

from benchlib import BenchError
from benchlib.govern import Ask, Found, Say, cores
from benchlib.govern_plant import Outcome, evaluate, governor_of
from benchlib.govern_plant_long import evaluate_long, long_cases
from benchlib.govern_plant_metrics import METRICS, breakdown, values_of, worst_of
from benchlib.plant_best import Constants
from benchlib.plant_cases import (
    BOARDS,
    CAPS,
    QUICK_S,
    SCENE_S,
    SECONDS,
    SEEDS,
    Case,
    chosen,
    clock_steps,
    grid,
    groups,
    scene_of,
    scenes,
)
from benchlib.plant_leak import LeakJob, Learnt, gathered, leak_jobs, learn
from benchlib.plant_run import simulate
from edge_rt.config.schema import BudgetConfig

_WORKS = ("1x100/150", "1x600/40")
HEADLINE = (
    *(metric.name for metric in METRICS),
    "leak_measured",
    "leak_right",
    "leak_cover",
)


def clock_cases(quick: bool, only: str = "") -> list[Case]:
    """Return the cases with the clock as a knob."""
    return chosen(_cases(quick), only)


def _cases(quick: bool) -> Iterator[Case]:
    for seed in SEEDS[:1] if quick else SEEDS:
        for board in ["pi5"] if quick else BOARDS:
            for work in _WORKS[:1] if quick else _WORKS:
                yield Case("clock", board, work, seed, CAPS[0])


def evaluate_clock(case: Case, seconds: float) -> list[Outcome]:
    """Run one case with the clock and without it."""
    scene = scene_of(case, seconds)
    constants = Constants(scene)
    budget = BudgetConfig(power_w=case.cap * constants.full_w, power_window_s=case.window_s)
    steps = clock_steps(scene)
    with_clock = simulate(scene, governor_of(scene, budget, steps).step)
    without = simulate(scene, governor_of(scene, budget).step)
    values = constants.kept(with_clock, case.cap * constants.full_w, case.window_s)
    values["gain"] = constants.work(with_clock) / constants.work(without)
    line = (
        f"{case.label}: {values['gain']:.3f} times the tokens with the clock,"
        f" {values['ok']:.2%} of windows"
    )
    return [Outcome(case, values, line)]


Result = Outcome | Learnt
Job = Callable[[], Sequence[Result]]


def plant(say: Say, ask: Ask) -> Found:
    """Run all cases whose labels have every word of `ask.only`; BenchError where there is none."""
    return found_of(_done(say, list(_jobs(ask.quick, ask.only, ask.kept)), ask.only))


def scenes_part(say: Say, ask: Ask) -> Found:
    """Run the scenes of 80 s alone, in the same way."""
    found = groups(scenes(ask.quick, ask.only))
    jobs = [partial(evaluate, group, SCENE_S, ask.kept) for group in found]
    return found_of(_done(say, jobs, ask.only), "scenes")


def _done(say: Say, jobs: Sequence[Job], only: str) -> list[Result]:
    if not jobs:
        raise BenchError(f"no case on the second plant has all words of {only!r}")
    results: list[Result] = []
    with ProcessPoolExecutor(cores()) as pool:
        waiting: list[Future[Sequence[Result]]] = [pool.submit(job) for job in jobs]
        for future in as_completed(waiting):
            for result in future.result():
                results.append(result)
                say(result.line)
    return results


def found_of(results: Sequence[Result], name: str = "plant") -> Found:
    """The figures of all cases, and the worst ones named; `name` is that of the details."""
    outcomes = [one for one in results if isinstance(one, Outcome)]
    values = values_of(outcomes)
    learnt = [one for one in results if isinstance(one, Learnt)]
    values |= gathered(learnt) if learnt else {}
    details = {
        "figures": values,
        "cases": [{"case": one.case.label, **one.values} for one in outcomes],
        "leakage": [asdict(one) for one in learnt],
    }
    notes = [*breakdown(outcomes), *worst_of(outcomes)]
    return Found(values=values, details={name: details}, notes=notes)


def _jobs(quick: bool, only: str, folder: Path | None) -> Iterable[Job]:
    """The long ones first, so that no core waits for them at the end."""
    for case in long_cases(quick, only):
        yield partial(evaluate_long, case, quick)
    seconds = QUICK_S if quick else SECONDS
    for case in clock_cases(quick, only):
        yield partial(evaluate_clock, case, seconds)
    for group in groups(grid(quick, only)):
        yield partial(evaluate, group, seconds, folder)
    for leak in leak_jobs(quick, only):
        yield partial(_learn, leak)


def _learn(job: LeakJob) -> list[Learnt]:
    return [learn(job)]
