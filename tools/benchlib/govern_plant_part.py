"""The part of the governor's benchmark that runs on the second plant: all cases on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial

from benchlib import BenchError
from benchlib.govern import Found, cores
from benchlib.govern_clock import clock_cases, evaluate_clock
from benchlib.govern_plant import QUICK_S, SECONDS, Outcome, cases, evaluate, groups
from benchlib.govern_plant_band import Bands, band_jobs, bands, coverage
from benchlib.govern_plant_long import evaluate_long, long_cases
from benchlib.plant_leak import Learnt, gathered, leak_jobs, learn

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
