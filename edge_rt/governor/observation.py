"""Everything that the governor has to see, from wherever it comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edge_rt.board.cpu_watch import CpuWatch
from edge_rt.board.monitor import BoardMonitor
from edge_rt.board.readers.cpu import CpuReader
from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.board.supply_meter import SupplyMeter
from edge_rt.board.temperatures import fan_drive, temperatures
from edge_rt.core.limits import Observation
from edge_rt.energy.spent import Spent
from edge_rt.engine.supervisor.supervisor import Supervisor
from edge_rt.governor.budget import Period
from edge_rt.governor.engine_watch import EngineWatch

_GPU = ("gpu", "jtop")  # readers that tell the load of GPUs


class Observer:
    """Looks at board and engine; what a look tells is of the time since the one before."""

    def __init__(
        self,
        senses: BoardMonitor,
        supervisor: Supervisor,
        spent: Spent,
        reader: CpuReader,
        clock: Callable[[], float],
        give_way: bool = True,
    ) -> None:
        """`clock` is in seconds. Without `give_way` other programs count as having no use for the
        cores: the user has said how many threads there are to be.
        """
        self._give_way = give_way
        self.meter = SupplyMeter()
        self._senses, self._supervisor, self._spent = senses, supervisor, spent
        self._engine, self._cpu = EngineWatch(clock=clock), CpuWatch(reader, clock)
        self._clock = clock
        self._last_s = clock()
        self._booked_j = 0.0

    @property
    def felt(self) -> BoardSnapshot | None:
        """The board, once it was looked at."""
        return self._senses.felt

    async def look(self, threads: int, period: Period, ask: bool, waiting: int) -> Observation:
        """See what there is; `threads` are those in force since the last look.

        The engine is only disturbed if `ask`. `waiting` requests have not come to it yet.
        """
        client = self._supervisor.current if ask else None
        done = await self._engine.look(client) if ask else self._engine.rest()
        now_s = self._clock()
        dt_s, self._last_s = now_s - self._last_s, now_s
        cpu = self._cpu.look(self._supervisor.pid)
        self._book()
        felt = self.felt
        heat = temperatures(felt)
        return Observation(
            time_s=now_s,
            dt_s=dt_s,
            power_w=self.meter.power_w(now_s),
            temp_c=heat.hottest_c,
            near_c=heat.nearest_c,
            trip_c=heat.trip_c,
            fan=None if felt is None else fan_drive(felt),
            threads=threads,
            busy_s=done.busy_s,
            tokens=done.tokens,
            running=done.running,
            waiting=done.waiting + waiting,
            others=self._others(None if cpu is None else cpu[1]),
            supply_j=self._supply_j(period),
            period_left_s=self._spent.left_s(period),
            prompt_s=done.prompt_s,
            prompt_tokens=done.prompt_tokens,
            cpu_s=None if cpu is None else cpu[0],
            spare_s=done.spare_s,
            asked=None if client is None else client.asked,
            gpu_s=done.gpu_s,
            gpu_load=None if felt is None else gpu_load(felt),
        )

    def again(self, seen: Observation, period: Period) -> Observation:
        """What was `seen`, as it would look now, before anything else has happened."""
        return replace(
            seen,
            dt_s=0.0,
            supply_j=self._supply_j(period),
            period_left_s=self._spent.left_s(period),
        )

    def close(self) -> None:
        """Leave the engine alone."""
        self._engine.close()

    def _others(self, cores: float | None) -> float | None:
        return cores if self._give_way else 0.0

    def _supply_j(self, period: Period) -> float | None:
        return self._spent.energy_j(period) if self._senses.supply else None

    def _book(self) -> None:
        self._spent.add(self.meter.total_j - self._booked_j)
        self._booked_j = self.meter.total_j


def gpu_load(felt: BoardSnapshot) -> float | None:
    """The share of the time that the busiest GPU was busy; None where no driver tells it."""
    loads = (
        felt.sampler.reading(channel.name, channel.kind)
        for reader in felt.sampler.readers
        for channel in (reader.channels if reader.name in _GPU else ())
        if channel.kind == "fraction"
    )
    return max((one.value for one in loads if one and one.value is not None), default=None)
