"""Answers that are made to be measured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from edge_rt.core.clock import Pause
from edge_rt.core.decoding import Mode, Sampling
from edge_rt.core.errors import EngineError, Unavailable
from edge_rt.core.events import Finished, Timings
from edge_rt.core.reports.board import Quality
from edge_rt.core.routing import Served
from edge_rt.energy.meter import EnergyMeter
from edge_rt.energy.usage import RequestUsage
from edge_rt.engine.client import Event
from edge_rt.engine.model_pool import Resident
from edge_rt.engine.protocol import Generate
from edge_rt.governor.loop import GovernorLoop
from edge_rt.models.loading import resident_name
from edge_rt.models.record import ModelRecord

PATIENCE_S = 30.0  # with an engine that may not compute; nobody else is served meanwhile
LOOK_S = 1.0

T = TypeVar("T")


@dataclass(frozen=True)
class MeasurementJob:
    """One answer to be made of `prompt`, of which nothing is taken from KV where `fresh`.

    `partner` is that of `mode`, where it goes by the engine's name.
    """

    entry: ModelRecord
    prompt: str | list[int]
    completion_tokens: int
    sampling: Sampling
    special: bool = False
    fresh: bool = True
    ignore_eos: bool = True
    mode: Mode | None = None
    partner: ModelRecord | None = None


@dataclass(frozen=True)
class Measurement:
    """What an answer took: `seconds` from its coming to the engine to its end.

    `served` holds the seconds of computing, and the joules that it added where they are known;
    `prefill_j` and `decode_j` are their parts. `idle_w` is what the board drew before.
    """

    timings: Timings
    seconds: float
    served: Served
    prefill_j: float | None
    decode_j: float | None
    idle_w: float | None
    power_w: float | None
    temp_c: float | None
    quality: Quality

    @property
    def total_j(self) -> float | None:
        """The whole board's joules meanwhile."""
        return None if self.power_w is None else self.power_w * self.seconds


class Measurer:
    """Makes answers, one at a time, and books them under a name in the ledger."""

    def __init__(
        self,
        energy_meter: EnergyMeter,
        governor_loop: GovernorLoop,
        clock: Callable[[], float],
        pause: Pause = asyncio.sleep,
    ) -> None:
        """`clock` is in seconds, that of the energy meter; `pause` lets them pass between looks."""
        self._energy_meter, self._governor_loop, self._clock = energy_meter, governor_loop, clock
        self._pause = pause

    async def measure(self, job: MeasurementJob, resident: Resident, name: str) -> Measurement:
        """Make one answer; raises what a request would be told, and EngineLost.

        Unavailable where the governor lets nothing be computed for PATIENCE_S.
        """
        energy_meter, loop = self._energy_meter, self._governor_loop
        usage = energy_meter.open(name)
        if job.mode is not None:
            usage.mode, usage.partner = job.mode.label, job.partner and job.partner.id
        idle_w = energy_meter.idle_w
        await self._patiently(loop.admit(False), lambda: True)
        begin_s = self._clock()

        def handed(id: int) -> Generate:
            energy_meter.handed(usage, resident.client, id)
            return Generate(
                id,
                resident_name(job.entry),
                job.prompt,
                job.special,
                job.sampling,
                job.completion_tokens,
                ignore_eos=job.ignore_eos,
                fresh=job.fresh,
                mode=job.mode,
            )

        with energy_meter.leaving(usage):
            async with aclosing(resident.client.generate(handed)) as events:
                end = await self._patiently(_end(events, usage), lambda: loop.limits.duty <= 0.0)
            seconds = self._clock() - begin_s
            cost = await energy_meter.settle(usage)
        account, timings = usage.account, end.timings
        assert account is not None
        known = cost.energy_j is not None
        return Measurement(
            timings=timings,
            seconds=seconds,
            served=Served(
                timings.prompt_tokens,
                timings.cached_tokens,
                timings.completion_tokens,
                account.prefill_s,
                account.decode_s,
                cost.energy_j,
            ),
            prefill_j=account.prefill_j if known else None,
            decode_j=account.decode_j if known else None,
            idle_w=idle_w,
            power_w=cost.power_w,
            temp_c=cost.temp_c,
            quality=cost.quality,
        )

    async def _patiently(self, work: Awaitable[T], stands: Callable[[], bool]) -> T:
        """Return the outcome of `work`, which is given up once it `stands` for too long."""
        task = asyncio.ensure_future(work)
        patience = asyncio.ensure_future(self._lose_patience(stands))
        try:
            await asyncio.wait((task, patience), return_when=asyncio.FIRST_COMPLETED)
            return patience.result() if not task.done() else task.result()
        finally:
            task.cancel()
            patience.cancel()
            await asyncio.gather(task, patience, return_exceptions=True)

    async def _lose_patience(self, stands: Callable[[], bool]) -> NoReturn:
        stood_s = 0.0
        while stood_s < PATIENCE_S:
            await self._pause(LOOK_S)
            stood_s = stood_s + LOOK_S if stands() else 0.0
        why = self._governor_loop.limits.why
        raise Unavailable(
            f"given up after {PATIENCE_S:.0f} s in which the engine could not compute: {why}",
            retry_after_s=PATIENCE_S,
            code="budget",
        )


async def _end(events: AsyncIterator[Event], usage: RequestUsage) -> Finished:
    """Return the last of the events, all of which go onto the usage."""
    async for event in events:
        usage.take(event)
        if isinstance(event, Finished):
            return event
    raise EngineError("the engine stopped before the answer was complete; try again")
