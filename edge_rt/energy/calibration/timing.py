"""Timing one model: the runs to make, how far they have come, and the runs themselves."""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from edge_rt.core.clock import Pause
from edge_rt.core.reports.planning import Progress
from edge_rt.decoding.params import Sampling
from edge_rt.energy.calibration.measurement import Measurement, MeasurementJob, Measurer
from edge_rt.energy.calibration.sweep import Readiness
from edge_rt.engine.model_pool import Resident
from edge_rt.governor.loop import GovernorLoop
from edge_rt.models.record import ModelRecord

ROUNDS = 3  # in which each length is read
SEED = 7
FEWEST_LENGTHS = 2  # of prompts, without which there is nothing to fit
_STEEPER = 1.15  # exponent: longer prompts take more for each token
_ANSWER_SHARE = 0.15  # of the time left that one run's answer may take
_SHORTEST = 5  # tokens of an answer that still tell of its steps
NAME = "calibration"  # of its joules in the ledger
REST_S = 1.0  # before each thread count, in which the board's idle power is seen


@dataclass(frozen=True)
class Thoroughness:
    """How much is done. `lengths` are prompts in tokens; every run draws `answer` tokens, and one
    of them `long_answer`. `model_s` is for one thread count of a model, `total_s` for everything.
    """

    lengths: tuple[int, ...]
    answer: int
    long_answer: int
    patience_s: float  # for a board that is too hot, or held back
    model_s: float
    total_s: float | None = None
    cools: bool = False  # whether the board is watched while it cools, for its leakage


QUICK = Thoroughness(
    lengths=(16, 64, 256, 512, 1024),
    answer=25,
    long_answer=97,
    patience_s=5.0,
    model_s=45.0,
    total_s=50.0,
)
# The lengths of idealized runtime (arXiv 2305.02440), and one more in the middle.
FULL = Thoroughness(
    lengths=(1, 16, 32, 64, 128, 256, 512, 768, 1024, 1536, 1920),
    answer=49,
    long_answer=193,
    patience_s=300.0,
    model_s=150.0,
    cools=True,
)


@dataclass(frozen=True)
class TimingRun:
    """One answer to be made."""

    prompt_tokens: int
    completion_tokens: int


def runs(how: Thoroughness, context: int) -> list[TimingRun]:
    """Return all runs worth making, the most telling first: every length once, then again."""
    lengths = [n for n in how.lengths if n + how.answer <= context] or [max(1, context // 2)]
    middle = lengths[len(lengths) // 3]
    longest = min(how.long_answer, context - middle)
    found: list[TimingRun] = []
    for number in range(ROUNDS):
        for length in lengths:
            long = number == 0 and length == middle
            found.append(TimingRun(length, longest if long else min(how.answer, context - length)))
    return found


class Schedule:
    """Gives one run after the other, leaving out those that would take longer than is left."""

    def __init__(self, planned: Sequence[TimingRun]) -> None:
        self._planned = list(planned)
        self._prefills: dict[int, list[float]] = {}
        self._steps: list[float] = []

    @property
    def enough(self) -> bool:
        """Whether the runs made so far can be fitted."""
        return len(self._prefills) >= FEWEST_LENGTHS and bool(self._steps)

    @property
    def left_s(self) -> float:
        """Seconds that the remaining runs will take, about."""
        return sum(self._seconds(run) for run in self._planned)

    def next(self, left_s: float) -> TimingRun | None:
        """Return the next run for the `left_s` seconds that are left; None: there is none."""
        while self._planned:
            run = self._shortened(self._planned.pop(0), left_s)
            if self._seconds(run) <= left_s or not self.enough:
                return run
        return None

    def took(self, run: TimingRun, prefill_s: float, decode_s: float) -> None:
        self._prefills.setdefault(run.prompt_tokens, []).append(prefill_s)
        if run.completion_tokens > 1:
            self._steps.append(decode_s / (run.completion_tokens - 1))

    @property
    def _step_s(self) -> float:
        return statistics.median(self._steps) if self._steps else 0.0

    def _shortened(self, run: TimingRun, left_s: float) -> TimingRun:
        if not self._steps:
            return run
        most = max(_SHORTEST, int(_ANSWER_SHARE * left_s / self._step_s))
        return TimingRun(run.prompt_tokens, min(run.completion_tokens, most))

    def _seconds(self, run: TimingRun) -> float:
        """Return about how long `run` will take."""
        if not self._prefills:
            return 0.0
        nearest = min(self._prefills, key=lambda n: abs(n - run.prompt_tokens))
        ratio = run.prompt_tokens / nearest
        longer = ratio**_STEEPER if ratio > 1.0 else 1.0
        prefill_s = statistics.median(self._prefills[nearest]) * longer
        return prefill_s + self._step_s * (run.completion_tokens - 1)


def shares_s(counts: Sequence[int], seconds: float) -> float:
    """Return the part of `seconds` for the first of these thread counts: fewer take longer."""
    weights = [1.0 / count for count in counts]
    return seconds * weights[0] / sum(weights)


def in_order(cores: int) -> list[int]:
    """Return thread counts, the most telling first: all cores, one, and what lies between."""
    return list(dict.fromkeys([cores, 1, *range(2, cores)]))


class ProgressEstimate:
    """The share that is done, of steps with so many expected seconds; it never falls."""

    def __init__(self, clock: Callable[[], float], steps_s: Sequence[float]) -> None:
        """`clock` is in seconds."""
        self._clock, self._steps_s = clock, steps_s
        self._start_s = self._step_begin_s = clock()
        self._finished, self._done = -1, 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start_s

    def begin(self) -> None:
        """Begin the next step."""
        self._finished += 1
        self._step_begin_s = self._clock()

    def at(self, doing: str, left_s: float) -> Progress:
        """Return the progress; the present step takes `left_s` more."""
        worked_s, step = self._clock() - self._step_begin_s, max(0, self._finished)
        share = worked_s / (worked_s + left_s) if worked_s > 0.0 else 0.0
        done_s = sum(self._steps_s[:step]) + share * self._steps_s[step]
        self._done = max(self._done, min(0.99, done_s / sum(self._steps_s)))
        return Progress(self._done, doing)


WARM_UP = TimingRun(16, 5)


class ModelTimer:
    """Makes answers to meaningless prompts: what they say takes no other time."""

    def __init__(
        self,
        measurer: Measurer,
        governor_loop: GovernorLoop,
        readiness: Readiness,
        clock: Callable[[], float],
        pause: Pause = asyncio.sleep,
    ) -> None:
        """`clock` is in seconds, and `pause` lets them pass."""
        self._measurer, self._governor_loop, self._readiness = measurer, governor_loop, readiness
        self._clock, self._pause = clock, pause
        self._random = random.Random(SEED)

    async def time(
        self,
        entry: ModelRecord,
        resident: Resident,
        threads: int,
        how: Thoroughness,
        seconds: float,
        came: list[Measurement],
    ) -> AsyncGenerator[tuple[TimingRun, float]]:
        """Yield each run when it begins, with the seconds that remain; `came` gets its measurement.

        It lasts about `seconds` at most, but as long as it takes to have enough. Raises Unready.
        """
        end_s = self._clock() + seconds
        schedule = Schedule(runs(how, resident.loaded.context))
        with self._governor_loop.fixed(threads):
            await self._pause(REST_S)
            await self._readiness.wait(how.patience_s)
            await self._make(entry, resident, WARM_UP)
            while (run := schedule.next(end_s - self._clock())) is not None:
                await self._readiness.wait(how.patience_s)
                left_s = end_s - self._clock()
                yield run, min(left_s, schedule.left_s) if schedule.enough else left_s
                came.append(await self._make(entry, resident, run))
                timings = came[-1].timings
                schedule.took(run, timings.prefill_s, timings.decode_s)

    async def _make(self, entry: ModelRecord, resident: Resident, run: TimingRun) -> Measurement:
        tokens = [self._random.randrange(resident.loaded.vocab) for _ in range(run.prompt_tokens)]
        sampling = Sampling(**entry.sampling.given())
        return await self._measurer.measure(
            MeasurementJob(entry, tokens, run.completion_tokens, sampling), resident, NAME
        )
