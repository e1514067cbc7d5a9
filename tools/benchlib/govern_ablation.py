"""What each term of the governor is worth: windows and tokens without it, on the second plant.

All scenes run with all terms, and with one term off at a time. Windows are shares of those within
the cap; tokens are over those with all terms, scene by scene. Intervals are of the mean over seeds.
The last row is the integral controller with an oracle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean, stdev

from benchlib import BenchError
from benchlib.govern import Ask, Found, Say, cores
from benchlib.govern_plant import Judged
from benchlib.govern_terms import TERMS
from benchlib.plant_best import Constants
from benchlib.plant_cache import Kept, Values
from benchlib.plant_cases import SCENE_S, SEEDS, Case, ablation, scene_of
from benchlib.plant_rival import HELD
from benchlib.trace_power import errors, steps
from benchlib.traces import Traces

ALL, RIVAL = "all on", "integral controller"
_OFF = {term.name: term.off for term in TERMS}
_STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)  # 95 %, by degrees of freedom


@dataclass(frozen=True)
class Run:
    """What one scene came to without a term; `work` is in tokens a second."""

    term: str
    scene: str
    seed: int
    ok: float
    work: float


@dataclass(frozen=True)
class Mean:
    """A mean over scenes and seeds, with its interval over seeds; None for one seed."""

    mean: float
    half: float | None

    def __str__(self) -> str:
        return f"{self.mean:.4f}" + ("" if self.half is None else f" ± {self.half:.4f}")


@dataclass(frozen=True)
class Row:
    """What a term is worth."""

    term: str
    ok: Mean
    worst: float
    tokens: Mean


def ablate(say: Say, ask: Ask) -> Found:
    """Run all scenes whose labels have every word of `ask.only`, for each term.

    Recorded traces, where there are any, are predicted without each term of the board model.
    """
    cases = ablation(SEEDS[:1] if ask.quick else SEEDS, ask.only)
    if not cases:
        raise BenchError(f"no scene of the ablation has all words of {ask.only!r}")
    terms = [ALL, *(term.name for term in TERMS), RIVAL]
    runs: list[Run] = []
    with ProcessPoolExecutor(cores()) as pool:
        tried = [ALL, *(term.name for term in TERMS if term.model)] if ask.traces else []
        traced = {term: pool.submit(traced_error, term, ask.traces) for term in tried}
        jobs = [pool.submit(partial(run, t, c, ask.kept)) for c, t in product(cases, terms)]
        for future in as_completed(jobs):
            if (found := future.result()) is not None:
                runs.append(found)
                say(f"{found.term}, {found.scene} seed{found.seed}: {found.ok:.2%} of windows")
        told = {term: job.result() for term, job in traced.items()}
    rows = rows_of(runs, terms)
    details: dict[str, object] = {"rows": [asdict(row) for row in rows]}
    details["runs"] = [asdict(one) for one in runs]
    details["traces"] = told
    return Found(details={"ablation": details}, notes=[*table(rows), *_trace_table(told)])


def traced_error(term: str, folder: Path | None) -> tuple[float, float]:
    """The error of the board model on recorded traces without a term; see `trace_power.errors`."""
    assert folder is not None
    with _OFF.get(term, nullcontext)():
        return errors(steps(Traces(folder).power()))


def _trace_table(told: Mapping[str, tuple[float, float]]) -> list[str]:
    if not told:
        return []
    lines = ["| recorded traces, off | error of watts | over the last value's |", "|---|---|---|"]
    return lines + [f"| {term} | {one:.4f} | {over:.3f} |" for term, (one, over) in told.items()]


def run(term: str, case: Case, folder: Path | None) -> Run | None:
    """Run one scene without one term; return None where the rival has no say."""
    with _OFF.get(term, nullcontext)():
        values = _values(case, term == RIVAL, folder)
    if values is None:
        return None
    name = case.label.removesuffix(f" seed{case.seed}")
    return Run(term, name, case.seed, values["ok"], values["work"])


def _values(case: Case, rival: bool, folder: Path | None) -> Values | None:
    constants = Constants(scene_of(case, SCENE_S))
    kept = Kept(folder, f"{case.scene} {SCENE_S} s")
    judged = Judged(case, constants, kept)
    if not rival:
        return judged.governed()
    found = judged.rival(HELD)
    kept.write()
    return None if found is None else found.values


def rows_of(runs: Sequence[Run], terms: Sequence[str]) -> list[Row]:
    """Return the row of each term that ran."""
    base = {(one.scene, one.seed): one for one in runs if one.term == ALL}
    found: list[Row] = []
    for term in terms:
        these = [one for one in runs if one.term == term]
        if these:
            tokens = [(o.seed, o.work / base[o.scene, o.seed].work) for o in these]
            ok = mean_of([(one.seed, one.ok) for one in these])
            found.append(Row(term, ok, min(one.ok for one in these), mean_of(tokens)))
    return found


def mean_of(values: Sequence[tuple[int, float]]) -> Mean:
    """The mean of values by seed, with the 95 % interval of Student's t over the seeds' means."""
    seeds: dict[int, list[float]] = {}
    for seed, value in values:
        seeds.setdefault(seed, []).append(value)
    means = [fmean(each) for each in seeds.values()]
    free = len(means) - 1
    if not free:
        return Mean(means[0], None)
    student = _STUDENT[min(free, len(_STUDENT)) - 1]
    return Mean(fmean(means), student * stdev(means) / len(means) ** 0.5)


def table(rows: Sequence[Row]) -> list[str]:
    """The rows as a table in Markdown."""
    lines = ["| off | windows | worst | tokens |", "|---|---|---|---|"]
    for row in rows:
        lines.append(f"| {row.term} | {row.ok} | {row.worst:.4f} | {row.tokens} |")
    return lines
