"""The runs that time a model, and making them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from edge_rt.core.clock import Pause
from edge_rt.core.decoding import Sampling
from edge_rt.energy.calibration.measurement import Measurement, MeasurementJob, Measurer
from edge_rt.energy.calibration.readiness import Readiness
from edge_rt.engine.model_pool import Resident
from edge_rt.governor.loop import GovernorLoop
from edge_rt.models.record import ModelRecord

ROUNDS = 3  # in which each length is read
SEED = 7
FEWEST = 2  # runs, without which there is nothing to fit
STEP_TOKENS = 4.0  # of a prompt, that are read in about the time of a step
NAME = "calibration"  # of its joules in the ledger
REST_S = 1.0  # before each thread count, in which the board's idle power is seen


@dataclass(frozen=True)
class Thoroughness:
    """How much is done. `lengths` are prompts in tokens, and every run draws `answer` tokens.

    `model_s` is for one thread count of a model, `total_s` for everything; `patience_s` is how long
    to wait for a board that is too hot, or held back.
    """

    lengths: tuple[int, ...]
    answer: int
    patience_s: float
    model_s: float
    total_s: float | None = None


QUICK = Thoroughness(
    lengths=(16, 64, 256, 512, 1024), answer=25, patience_s=5.0, model_s=45.0, total_s=50.0
)
# The lengths of idealized runtime (arXiv 2305.02440) but the shortest, and one in the middle.
FULL = Thoroughness(
    lengths=(16, 32, 64, 128, 256, 512, 768, 1024, 1536, 1920),
    answer=49,
    patience_s=300.0,
    model_s=150.0,
)


@dataclass(frozen=True)
class TimingRun:
    """One answer to be made."""

    prompt_tokens: int
    completion_tokens: int

    @property
    def weight(self) -> float:
        """The time of the run, in that of reading a token."""
        return self.prompt_tokens + STEP_TOKENS * self.completion_tokens


WARM_UP = TimingRun(16, 5)


def runs(how: Thoroughness, context: int) -> list[TimingRun]:
    """Return all runs worth making: every length once, then again."""
    lengths = [n for n in how.lengths if n + how.answer <= context] or [max(1, context // 2)]
    return ROUNDS * [TimingRun(n, min(how.answer, context - n)) for n in lengths]


def in_order(cores: int) -> list[int]:
    """Return thread counts, the most telling first: all cores, one, and what lies between."""
    return list(dict.fromkeys([cores, 1, *range(2, cores)]))


def shares_s(counts: Sequence[int], seconds: float) -> float:
    """Return the part of `seconds` for the first of these thread counts: fewer take longer."""
    weights = [1.0 / count for count in counts]
    return seconds * weights[0] / sum(weights)


def estimated_s(run: TimingRun, last: TimingRun, prefill_s: float, decode_s: float) -> float:
    """Return about how long `run` takes, after what the `last` one took."""
    return prefill_s * run.prompt_tokens / last.prompt_tokens + decode_s


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
        """Yield each run when it begins, with the share that is done; `came` gets its measurement.

        It ends before a run for which too little of the `seconds` is left, but not before there is
        enough to fit. Raises Unready.
        """
        begin_s, planned = self._clock(), runs(how, resident.loaded.context)
        whole, done = sum(run.weight for run in planned), 0.0
        with self._governor_loop.fixed(threads):
            await self._pause(REST_S)
            await self._readiness.wait(how.patience_s)
            await self._make(entry, resident, WARM_UP)
            last = WARM_UP
            for run in planned:
                await self._readiness.wait(how.patience_s)
                spent_s = self._clock() - begin_s
                if len(came) >= FEWEST:
                    took = came[-1].timings
                    due_s = estimated_s(run, last, took.prefill_s, took.decode_s)
                    if spent_s + due_s > seconds:
                        return
                yield run, min(1.0, max(done / whole, spent_s / seconds))
                came.append(await self._make(entry, resident, run))
                last, done = run, done + run.weight

    async def _make(self, entry: ModelRecord, resident: Resident, run: TimingRun) -> Measurement:
        tokens = [self._random.randrange(resident.loaded.vocab) for _ in range(run.prompt_tokens)]
        sampling = Sampling(**entry.sampling.given())
        return await self._measurer.measure(
            MeasurementJob(entry, tokens, run.completion_tokens, sampling), resident, NAME
        )
