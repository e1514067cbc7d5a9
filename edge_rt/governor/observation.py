"""The governor's observation of board and engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from edge_rt.board.heat_zones import ASSUMED_TRIP_C
from edge_rt.board.meters import (
    CpuWatch,
    SagWatch,
    SupplyMeter,
    cpu_clock_hz,
    fan_drive,
    gpu_clock_hz,
    gpu_load,
    temperatures,
)
from edge_rt.board.monitor import BoardMonitor
from edge_rt.board.readers.cpu import CpuReader
from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.core.limits import Observation
from edge_rt.core.reports.governor import Period
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.protocol import Pong
from edge_rt.engine.supervisor import Supervisor
from edge_rt.governor.budget import EnergySpent
from edge_rt.speech.companion import Companion

PATIENCE_S = 0.1  # for a pass that is under way


@dataclass(frozen=True)
class Done:
    """Seconds inside passes and tokens since the last look; see Observation."""

    busy_s: float = 0.0
    prompt_s: float = 0.0
    tokens: int = 0
    prompt_tokens: int = 0
    running: int = 0
    waiting: int = 0
    spare_s: float = 0.0
    gpu_s: float | None = None


class EngineWatch:
    """Asks the engine between two passes. One that is in a long pass answers at a later look."""

    def __init__(
        self, patience_s: float = PATIENCE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`patience_s` is how long a look waits for the answer.

        `clock` is in seconds, the engine's own.
        """
        self._patience_s, self._clock = patience_s, clock
        self._offloaded_s: float | None = None  # seconds in passes on a GPU at the last look
        self._helped_s = 0.0  # processor time of the engine's own children at the last look
        self._client: EngineClient | None = None
        self._before: Pong | None = None
        self._asked: asyncio.Task[Pong] | None = None

    async def look(self, client: EngineClient | None) -> Done:
        """Return what was done since the last look that had an answer.

        Nothing without an engine.
        """
        if client is not self._client:
            self.close()
            self._client, self._before, self._offloaded_s = client, None, None
        if client is None:
            return Done()
        try:
            pong = await self._pong(client)
        except EngineLost:
            self._before = None
            return Done()
        before = self._before
        if pong is None:
            return Done() if before is None else self._still(before)
        self._before = pong
        if before is None:
            return self._still(pong)
        return Done(
            busy_s=pong.native_s - before.native_s,
            prompt_s=pong.read_s - before.read_s,
            tokens=pong.drawn - before.drawn,
            prompt_tokens=pong.read - before.read,
            running=pong.running,
            waiting=pong.waiting,
            spare_s=pong.spare_s - before.spare_s,
            gpu_s=self._gpu_s(pong, pong.gpu_s - before.gpu_s),
        )

    def rest(self) -> Done:
        """Return a look at an engine that has nothing to do, and is not asked."""
        return Done(gpu_s=None if self._before is None else self._gpu_s(self._before, 0.0))

    def helped_s(self) -> float:
        """Processor time of the engine's own children since the last call."""
        beat = None if self._client is None else self._client.beat
        before_s, self._helped_s = self._helped_s, 0.0 if beat is None else beat.helped_s
        return max(0.0, self._helped_s - before_s)

    def close(self) -> None:
        if self._asked is not None:
            self._asked.cancel()
        self._asked = None

    async def _pong(self, client: EngineClient) -> Pong | None:
        """Return the answer if it comes soon, also to a question of an earlier look; else None."""
        if self._asked is None:
            self._asked = asyncio.create_task(client.ping())
        done, _ = await asyncio.wait((self._asked,), timeout=self._patience_s)
        if not done:
            return None
        asked, self._asked = self._asked, None
        return asked.result()

    def _still(self, pong: Pong) -> Done:
        """Return a look without new counters: requests as last told, and the noted GPU time."""
        return Done(running=pong.running, waiting=pong.waiting, gpu_s=self._gpu_s(pong, 0.0))

    def _gpu_s(self, pong: Pong, seconds: float) -> float | None:
        """Return seconds of passes on a GPU since the last look; None: no model had layers there.

        `seconds` is from the engine's answer; its notes include the pass under way as well.
        """
        beat = None if self._client is None else self._client.beat
        if beat is not None:
            before_s, now_s = self._offloaded_s, beat.offloaded_s(self._clock())
            if before_s is not None:  # a pass that fails was counted while under way
                now_s = max(before_s, now_s or 0.0)
            self._offloaded_s = now_s
            seconds = 0.0 if before_s is None or now_s is None else now_s - before_s
        return seconds if pong.offloads or seconds > 0.0 else None


class CompanionWatch:
    """Adds the companion's work to the engine's, from look to look."""

    def __init__(self, companion: Companion) -> None:
        self._companion, self._busy_s, self._cpu_s = companion, 0.0, 0.0

    def added(self, seen: Observation) -> Observation:
        """Return the observation of both: neither is another program, and both use the cores."""
        busy_s, self._busy_s = self._companion.busy_s - self._busy_s, self._companion.busy_s
        cpu_s, self._cpu_s = self._companion.cpu_s - self._cpu_s, self._companion.cpu_s
        cpu_s = max(0.0, cpu_s)  # another process counts from 0
        if not (busy_s or self._companion.running) or seen.dt_s <= 0.0:
            return seen
        return replace(
            seen,
            busy_s=max(seen.busy_s, min(seen.dt_s, seen.busy_s + busy_s)),
            running=seen.running + self._companion.running,
            cpu_s=None if seen.cpu_s is None else seen.cpu_s + cpu_s,
            others=None if seen.others is None else max(0.0, seen.others - cpu_s / seen.dt_s),
        )


class Observer:
    """Looks at board and engine; what a look tells is of the time since the one before."""

    def __init__(
        self,
        senses: BoardMonitor,
        supervisor: Supervisor,
        spent: EnergySpent,
        reader: CpuReader,
        clock: Callable[[], float],
        give_way: bool = True,
    ) -> None:
        """`clock` is in seconds.

        Without `give_way` other programs count as having no use for the cores: the user has said
        how many threads there are to be.
        """
        self._give_way = give_way
        self.meter, self._sags = SupplyMeter(), SagWatch()
        self._senses, self._supervisor, self._spent = senses, supervisor, spent
        self._engine, self._cpu = EngineWatch(clock=clock), CpuWatch(reader, clock)
        self._clock = clock
        self._last_s = clock()
        self._booked_j = 0.0

    @property
    def snapshot(self) -> BoardSnapshot | None:
        """The board, once it was looked at."""
        return self._senses.snapshot

    @property
    def reading_s(self) -> float | None:
        """Seconds between two readings of the supply; None: nothing reads it."""
        supply = self._senses.supply
        return None if supply is None else supply.period_s

    async def look(self, threads: int, period: Period, ask: bool, waiting: int) -> Observation:
        """See what there is; `threads` are those in force since the last look.

        The engine is only disturbed if `ask`. `waiting` requests have not come to it yet.
        """
        client = self._supervisor.current if ask else None
        done = await self._engine.look(client) if ask else self._engine.rest()
        now_s = self._clock()
        dt_s, self._last_s = now_s - self._last_s, now_s
        cpu = self._cpu.look(self._supervisor.pid)
        helped_s = self._engine.helped_s()
        self._spent.add(self.meter.total_j - self._booked_j)
        self._booked_j = self.meter.total_j
        snapshot = self.snapshot
        heat = temperatures(snapshot)
        assumed = heat.hottest_c is not None and heat.trip_c is None
        return Observation(
            time_s=now_s,
            dt_s=dt_s,
            power_w=self.meter.power_w(now_s),
            temp_c=heat.hottest_c,
            near_c=heat.nearest_c,
            trip_c=ASSUMED_TRIP_C if assumed else heat.trip_c,
            trip_assumed=assumed,
            sag=self._sags.look(snapshot),
            fan=None if snapshot is None else fan_drive(snapshot),
            threads=threads,
            **{**vars(done), "waiting": done.waiting + waiting},
            others=(cpu and cpu[1]) if self._give_way else 0.0,
            helped=helped_s / dt_s if dt_s > 0.0 else 0.0,
            supply_j=self._supply_j(period),
            period_left_s=self._spent.left_s(period),
            cpu_s=None if cpu is None else cpu[0],
            asked=None if client is None else client.asked,
            gpu_load=None if snapshot is None else gpu_load(snapshot),
            real_cpu_hz=self._cpu_hz(cpu, dt_s),
            real_gpu_hz=None if snapshot is None else gpu_clock_hz(snapshot),
        )

    def again(self, seen: Observation, period: Period) -> Observation:
        """Return `seen` with the present energy, and without any time that has passed."""
        return replace(
            seen,
            dt_s=0.0,
            supply_j=self._supply_j(period),
            period_left_s=self._spent.left_s(period),
        )

    def close(self) -> None:
        self._engine.close()

    def _cpu_hz(self, used: tuple[float, float] | None, dt_s: float) -> float | None:
        snapshot = self.snapshot
        if snapshot is None or used is None or dt_s <= 0.0:
            return None
        return cpu_clock_hz(snapshot, used[0] / dt_s + used[1])

    def _supply_j(self, period: Period) -> float | None:
        return self._spent.energy_j(period) if self._senses.supply else None
