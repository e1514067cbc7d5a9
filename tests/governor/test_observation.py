"""What the governor sees comes from the board, the engine, the processors and the meter."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_rt.board.integral import Energy
from edge_rt.board.monitor import BoardMonitor, Metered
from edge_rt.board.profile import BoardChoice
from edge_rt.board.readers.clocks import CpuFreq, DevFreq, GpuReader
from edge_rt.board.readers.cpu import CpuReader
from edge_rt.board.readers.heat import ThermalReader
from edge_rt.board.sampler import BoardSampler
from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.engine.channel import Heartbeat
from edge_rt.engine.protocol import Pong
from edge_rt.engine.supervisor import Supervisor
from edge_rt.governor.budget import EnergySpent
from edge_rt.governor.observation import Observer


class Board:
    """Counters in the test's hand; the engine is a process of number 42."""

    beat: Heartbeat | None = None

    def __init__(self, tree: Any, give_way: bool = True) -> None:
        self.now = 10.0
        self.cpu = {"board": 0.0, "engine": 0.0, "front": 0.0}
        self.native_s, self.drawn, self.pings = 0.0, 0, 0
        self.gpu_share = 0.0
        self.asked = 1  # threads
        self.spent: list[float] = []
        self.supply: Any = "a supply"
        kinds = (ThermalReader, GpuReader, CpuFreq, DevFreq)
        readers = [kind(tree.sysfs) for kind in kinds]
        sampler = BoardSampler(readers, lambda: self.now)
        sampler.step(self.now)
        self.snapshot: BoardSnapshot | None = BoardSnapshot(
            Path("/"), BoardChoice(), sampler, (), None
        )
        self.supervisor = SimpleNamespace(current=self, pid=42)
        self.observer = Observer(
            cast(BoardMonitor, self),
            cast(Supervisor, self.supervisor),
            cast(EnergySpent, self),
            cast(CpuReader, self),
            lambda: self.now,
            give_way,
        )

    # --- as a reader of processors, a ledger and an engine

    def board_s(self) -> float:
        return self.cpu["board"]

    def process_s(self, pid: int) -> float:
        return self.cpu[{42: "engine", os.getpid(): "front"}[pid]]

    def add(self, energy_j: float) -> None:
        self.spent.append(energy_j)

    def energy_j(self, period: str) -> float:
        return {"hour": 100.0, "day": 2000.0}[period] + sum(self.spent)

    def left_s(self, period: str) -> float:
        return {"hour": 60.0, "day": 600.0}[period]

    async def ping(self) -> Pong:
        self.pings += 1
        spare_s = self.native_s / 2
        done = {"drawn": self.drawn, "spare_s": spare_s, "gpu_s": self.gpu_share * self.native_s}
        offloads = self.gpu_share > 0.0
        return Pong(1, 0, 2, 3, 1, 0, 0.0, self.native_s, **done, offloads=offloads)

    # --- short cuts

    def live(self, seconds: float, watts: float, engine: float, others: float) -> None:
        """So much time with that many watts and cores."""
        before = self.now - 10.0
        self.now += seconds
        self.cpu["engine"] += engine * seconds
        self.cpu["board"] += (engine + others) * seconds
        self.native_s += engine * seconds / 2
        self.drawn += 10
        self.meter(watts * (before + seconds))

    def meter(self, energy_j: float) -> None:
        energy = Energy(energy_j, self.now - 10.0, 0.0)
        self.observer.meter.hear(Metered(self.now, energy, 0.1, "measured", ("VDD_IN",)))

    async def look(self, ask: bool = True, waiting: int = 0) -> Any:
        return await self.observer.look(2, "day", ask, waiting)


@pytest.fixture
def warm(tree: Any) -> Any:
    tree.zone("cpu-thermal", 51_500, trips={"passive": 80_000})
    return tree


def test_all_of_it_is_of_the_time_since_the_last_look(kit: Any, warm: Any) -> None:
    async def run() -> None:
        board = Board(warm)
        board.meter(0.0)
        await board.look()
        board.live(0.5, watts=6.0, engine=1.2, others=0.4)
        seen = await board.look(waiting=2)
        assert (seen.time_s, seen.dt_s, seen.threads) == (10.5, 0.5, 2)
        assert seen.power_w == pytest.approx(6.0)
        assert (seen.temp_c, seen.trip_c, seen.fan) == (51.5, 80.0, None)
        assert (seen.gpu_s, seen.gpu_load) == (None, None)
        assert (seen.cpu_s, seen.others) == (pytest.approx(0.6), pytest.approx(0.4))
        assert (seen.busy_s, seen.tokens) == (pytest.approx(0.3), 10)
        assert (seen.spare_s, seen.asked) == (pytest.approx(0.15), 1)
        assert (seen.running, seen.waiting) == (3, 3)
        assert (seen.supply_j, seen.period_left_s) == (pytest.approx(2003.0), 600.0)

    kit.run(run())


def test_a_gpu_s_time_and_load(kit: Any, warm: Any) -> None:
    async def run() -> None:
        warm.write(warm.sysfs / "devices" / "gpu.0", {"load": 730})
        board = Board(warm)
        board.meter(0.0)
        board.gpu_share = 0.5
        first = await board.look()
        assert (first.gpu_s, first.gpu_load) == (0.0, pytest.approx(0.73))
        board.live(0.5, watts=6.0, engine=1.2, others=0.4)
        seen = await board.look()
        assert (seen.busy_s, seen.gpu_s) == (pytest.approx(0.3), pytest.approx(0.15))

    kit.run(run())


def test_the_clocks_of_what_works_are_read(kit: Any, warm: Any) -> None:
    async def run() -> None:
        warm.policy(0, "0 1", 1_800_000, 2_400_000, 600_000)
        warm.write(
            device := warm.sysfs / "class/devfreq/gpu",
            {"cur_freq": 300_000_000, "max_freq": 600_000_000},
        )
        warm.write(device / "device", {"load": 900})
        board = Board(warm)
        assert (await board.look()).real_cpu_hz is None  # nobody knows yet what is busy
        board.live(0.5, watts=6.0, engine=0.8, others=0.4)
        seen = await board.look()
        assert (seen.real_cpu_hz, seen.real_gpu_hz) == (1.8e9, 3e8)
        board.live(0.5, watts=6.0, engine=0.2, others=0.4)
        assert (await board.look()).real_cpu_hz is None

    kit.run(run())


def test_an_idle_engine_is_not_disturbed(kit: Any, warm: Any) -> None:
    async def run() -> None:
        board = Board(warm)
        await board.look(ask=False)
        board.live(1.0, watts=3.0, engine=0.0, others=0.5)
        seen = await board.look(ask=False)
        assert (board.pings, seen.busy_s, seen.running, seen.waiting) == (0, 0.0, 0, 0)
        assert seen.asked is None
        assert seen.others == pytest.approx(0.5)

    kit.run(run())


def test_what_the_engine_started_is_no_other_program(kit: Any, warm: Any) -> None:
    async def run() -> None:
        board = Board(warm)
        board.beat = Heartbeat()
        board.beat.helped(7.0)
        await board.look()
        for helped, rivals in ((0.3, 0.2), (0.0, 0.8), (0.5, 0.0)):
            board.live(0.5, watts=6.0, engine=1.2, others=0.8)
            board.beat.helped(helped)
            seen = await board.look()
            assert (seen.rivals, seen.others) == (pytest.approx(rivals), pytest.approx(0.8))
        board.supervisor.current = SimpleNamespace(beat=Heartbeat(), ping=board.ping, asked=1)
        board.live(0.5, watts=6.0, engine=1.2, others=0.8)
        assert (await board.look()).rivals == pytest.approx(0.8)

    kit.run(run())


def test_nothing_is_made_up_where_nothing_is_read(kit: Any, warm: Any) -> None:
    async def run() -> None:
        board = Board(warm)
        board.snapshot = board.supply = board.supervisor.current = board.supervisor.pid = None
        seen = await board.look()
        unknown = (seen.power_w, seen.temp_c, seen.trip_c, seen.fan, seen.others, seen.cpu_s)
        assert set(unknown) == {None}
        assert seen.supply_j is None
        assert (seen.busy_s, seen.running) == (0.0, 0)

    kit.run(run())


def test_threads_that_the_user_has_set_give_way_to_nobody(kit: Any, warm: Any) -> None:
    async def run() -> None:
        board = Board(warm, give_way=False)
        await board.look()
        board.live(0.5, watts=6.0, engine=1.2, others=0.8)
        seen = await board.look()
        assert (seen.others, seen.cpu_s) == (0.0, pytest.approx(0.6))

    kit.run(run())


def test_another_period_is_seen_without_another_look(kit: Any, warm: Any) -> None:
    async def run() -> None:
        board = Board(warm)
        seen = await board.look()
        again = board.observer.again(seen, "hour")
        assert (again.dt_s, again.supply_j, again.period_left_s) == (0.0, 100.0, 60.0)
        assert again.temp_c == seen.temp_c
        assert board.pings == 1

    kit.run(run())
