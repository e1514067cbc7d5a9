"""Timing one model: run after run, with one thread count after the other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable

from edge_rt.core.clock import Pause
from edge_rt.decoding.params import Sampling
from edge_rt.energy.calibration.measurement import Job, Measured, Measurer
from edge_rt.energy.calibration.plan import Run, Schedule, Thoroughness, runs
from edge_rt.energy.calibration.readiness import Readiness
from edge_rt.engine.model_pool import Resident
from edge_rt.governor.loop import Governing
from edge_rt.models.record import ModelRecord

NAME = "calibration"  # of its joules in the ledger
REST_S = 1.0  # before each thread count, in which the board's idle power is seen
WARM_UP = Run(16, 5)
SEED = 7


class Timing:
    """Makes answers to meaningless prompts: what they say takes no other time."""

    def __init__(
        self,
        measurer: Measurer,
        governing: Governing,
        readiness: Readiness,
        clock: Callable[[], float],
        pause: Pause = asyncio.sleep,
    ) -> None:
        """`clock` is in seconds, and `pause` lets them pass."""
        self._measurer, self._governing, self._readiness = measurer, governing, readiness
        self._clock, self._pause = clock, pause
        self._random = random.Random(SEED)

    async def time(
        self,
        entry: ModelRecord,
        resident: Resident,
        threads: int,
        how: Thoroughness,
        seconds: float,
    ) -> AsyncGenerator[tuple[Run, float] | Measured]:
        """Each run that is begun, with about how long all of them will still take, and what came.

        It lasts about `seconds` at most, but as long as it takes to have enough. Raises Unready.
        """
        end_s = self._clock() + seconds
        schedule = Schedule(runs(how, resident.loaded.context))
        with self._governing.fixed(threads):
            await self._pause(REST_S)
            await self._readiness.wait(how.patience_s)
            await self._make(entry, resident, WARM_UP)
            while (run := schedule.next(end_s - self._clock())) is not None:
                await self._readiness.wait(how.patience_s)
                left_s = end_s - self._clock()
                yield run, min(left_s, schedule.left_s) if schedule.enough else left_s
                came = await self._make(entry, resident, run)
                schedule.took(run, came.timings.prefill_s, came.timings.decode_s)
                yield came

    async def _make(self, entry: ModelRecord, resident: Resident, run: Run) -> Measured:
        tokens = [self._random.randrange(resident.loaded.vocab) for _ in range(run.prompt_tokens)]
        sampling = Sampling(**entry.sampling.given())
        return await self._measurer.measure(
            Job(entry, tokens, run.completion_tokens, sampling), resident, NAME
        )
