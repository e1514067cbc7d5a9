"""Clocks are set beside the event loop, one write at a time, whatever a file does."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from benchlib.boards import load_boards

from edge_rt.config.schema import Knobs
from edge_rt.core.clock import in_thread
from edge_rt.core.limits import ClockSteps, Limits
from edge_rt.governor.knobs.board_knobs import BoardKnobs
from edge_rt.governor.knobs.clock_control import HUNG_S, ClockControl
from edge_rt.governor.knobs.governed_clock import GovernedClock
from edge_rt.twin.load import WatchedUsage
from edge_rt.twin.run import Twin

GOVERNED = Knobs(cpufreq="governed")

KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from edge_rt.config.schema import Knobs
from edge_rt.governor.knobs.board_knobs import BoardKnobs
from edge_rt.core.limits import Limits

async def main():
    root, state, *wanted = sys.argv[1:]
    knobs = BoardKnobs(Knobs(cpufreq="governed"), Path(root), Path(state))
    await knobs.recover()
    await knobs.turn()
    govern = asyncio.create_task(knobs.govern())
    for hz in map(float, wanted):
        knobs.clocks.obey(Limits(2, cpu_hz=hz))
        while knobs.clocks.cpu_hz != hz:
            await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def at_once(seconds: float) -> None:
    """Rests that take no time."""


async def no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop go on until something is so."""
    for _ in range(20_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it does not come about")


def khz(tree: Any) -> int:
    """Return what the file says; 0 while it is being written."""
    folder = tree.sysfs / "devices/system/cpu/cpufreq/policy0"
    return int((folder / "scaling_max_freq").read_text().strip() or 0)


@pytest.fixture
def board(tree: Any) -> Any:
    folder = tree.policy(0, "0 1", 1_000_000, 2_000_000, 400_000)
    tree.write(folder, {"scaling_available_frequencies": "400000 1000000 1500000 2000000"})
    return tree


class House:
    """A daemon's knobs over one board, at work."""

    def __init__(self, tree: Any, state: Path, wanted: Knobs = GOVERNED) -> None:
        self.knobs = BoardKnobs(wanted, tree.sysfs.parent, state, rest=at_once)
        self.clocks = self.knobs.clocks

    async def live(self, life: Callable[[], Awaitable[None]]) -> None:
        await self.knobs.recover()
        await self.knobs.turn(no_pause)
        govern = asyncio.create_task(self.knobs.govern())
        try:
            await life()
        finally:
            govern.cancel()
            await asyncio.gather(govern, return_exceptions=True)
            await self.knobs.restore()


def test_the_clock_follows_the_governor_and_is_put_back_at_the_end(
    kit: Any, board: Any, tmp_path: Path
) -> None:
    async def life() -> None:
        await until(lambda: house.clocks.steps.cpu_hz)
        assert house.clocks.steps == ClockSteps(cpu_hz=(0.4e9, 1e9, 1.5e9, 2e9))
        for hz, said in ((1e9, 1_000_000), (1.9e9, 1_500_000), (None, 2_000_000)):
            house.clocks.obey(Limits(2, cpu_hz=hz))
            await until(lambda said=said: khz(board) == said)
            await until(lambda said=said: house.clocks.cpu_hz == said * 1e3)
        house.clocks.obey(Limits(2, cpu_hz=1e9))
        await until(lambda: khz(board) == 1_000_000)

    house = House(board, tmp_path)
    kit.run(house.live(life))
    assert khz(board) == 2_000_000
    assert {outcome.state for outcome in house.knobs.report()} == {"restored"}


def test_without_the_knob_the_clock_is_left_alone(kit: Any, board: Any, tmp_path: Path) -> None:
    async def life() -> None:
        house.clocks.obey(Limits(2, cpu_hz=1e9, gpu_hz=1e9))
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert (house.clocks.steps, house.clocks.cpu_hz) == (ClockSteps(), None)

    house = House(board, tmp_path / "state", Knobs())
    kit.run(house.live(life))
    assert khz(board) == 2_000_000
    assert not (tmp_path / "state").exists()


def test_the_knob_is_taken_away_and_given_again_while_the_daemon_runs(
    kit: Any, board: Any, tmp_path: Path
) -> None:
    async def life() -> None:
        house.clocks.obey(Limits(2, cpu_hz=1e9))
        await until(lambda: khz(board) == 1_000_000)
        house.knobs.change(Knobs())
        assert house.clocks.steps == ClockSteps()
        await until(lambda: khz(board) == 2_000_000)
        await until(lambda: house.clocks.cpu_hz is None)
        house.knobs.change(GOVERNED)
        await until(lambda: khz(board) == 1_000_000)

    house = House(board, tmp_path)
    kit.run(house.live(life))
    assert khz(board) == 2_000_000


def test_a_clock_whose_limits_have_no_effect_is_put_back_named_and_left_alone(
    kit: Any, board: Any, tmp_path: Path
) -> None:
    async def life() -> None:
        house.clocks.obey(Limits(2, cpu_hz=1e9))
        await until(lambda: khz(board) == 1_000_000)
        house.clocks.obey(Limits(2), (True, False))
        await until(lambda: khz(board) == 2_000_000 and house.clocks.cpu_hz is None)
        assert house.clocks.steps == ClockSteps()
        house.clocks.obey(Limits(2, cpu_hz=1e9))  # the governor has forgotten it
        await asyncio.sleep(0.01)
        assert khz(board) == 2_000_000
        told = {outcome.knob: outcome for outcome in house.knobs.report()}["knobs.cpufreq"]
        assert told.state == "failed"
        assert told.said is not None
        assert "stays above what is written to" in told.said
        assert "policy0/scaling_max_freq" in told.said

    house = House(board, tmp_path)
    kit.run(house.live(life))


@pytest.mark.parametrize("first", [None, "governed"])
def test_the_highest_clock_that_is_configured_counts_governed_or_not(
    kit: Any, board: Any, tmp_path: Path, first: Any
) -> None:
    capped = Knobs(cpufreq_max_hz=1.5e9)
    governed = Knobs(cpufreq_max_hz=1.5e9, cpufreq="governed")

    async def life() -> None:
        await until(lambda: khz(board) == 1_500_000)
        house.knobs.change(governed)
        house.clocks.obey(Limits(2, cpu_hz=1e9))
        await until(lambda: khz(board) == 1_000_000)
        await until(lambda: house.clocks.steps.cpu_hz)  # told after the file is written
        assert house.clocks.steps.cpu_hz == (0.4e9, 1e9, 1.5e9)
        house.knobs.change(capped)
        await until(lambda: khz(board) == 1_500_000)
        assert house.clocks.steps == ClockSteps()

    house = House(board, tmp_path, capped if first is None else governed)
    kit.run(house.live(life))
    assert khz(board) == 2_000_000


def test_a_power_mode_is_set_before_the_clocks_are_looked_at(
    kit: Any, board: Any, tmp_path: Path
) -> None:
    async def life() -> None:
        house = House(board, tmp_path)
        govern = asyncio.create_task(house.knobs.govern())
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert house.clocks.cpu_hz is None
        await house.knobs.turn(no_pause)
        await until(lambda: house.clocks.cpu_hz == 2e9)
        govern.cancel()
        await house.knobs.restore()

    kit.run(life())


class SlowClock:
    """A clock whose file may not answer."""

    begun = capped = False
    steps = (1e9, 2e9)
    hz = 2e9

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.asked: list[float | None] = []
        self.at_once = self.most = 0

    def look(self, wanted_hz: float | None) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.asked.append(wanted_hz)
        self.gate.wait(30)
        self.at_once -= 1

    def settle(self) -> None: ...


def test_a_file_that_does_not_answer_holds_nobody_and_the_last_word_counts(
    kit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    slow, now = SlowClock(), [0.0]

    async def life() -> None:
        clock = cast(GovernedClock, slow)
        clocks = ClockControl(clock, clock, in_thread, lambda: now[0])
        clocks.govern(cpu=True, gpu=False)
        run = asyncio.create_task(clocks.run())
        clocks.obey(Limits(2, cpu_hz=1e9))
        await until(lambda: slow.asked)
        for step in range(50):
            clocks.obey(Limits(2, cpu_hz=1e9 + 1e6 * step))
            await asyncio.sleep(0)
        assert slow.asked == [1e9]
        assert clocks.steps == ClockSteps(cpu_hz=(1e9, 2e9))
        now[0] += HUNG_S + 1.0
        assert [clocks.steps for _ in range(3)] == [ClockSteps()] * 3
        slow.gate.set()
        await until(lambda: len(slow.asked) > 1)
        assert slow.asked[1] == 1e9 + 49e6
        await until(lambda: clocks.steps != ClockSteps())
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)

    caplog.set_level(logging.ERROR)
    kit.run(life())
    assert slow.most == 1
    assert caplog.text.count("does not answer") == 1


@pytest.mark.parametrize("steps", range(6))
def test_an_end_while_a_clock_is_asked_for_is_an_end(kit: Any, steps: int) -> None:
    slow = SlowClock()
    slow.gate.set()

    async def life() -> None:
        clock = cast(GovernedClock, slow)
        clocks = ClockControl(clock, clock, in_thread)
        clocks.govern(cpu=True, gpu=False)
        run = asyncio.create_task(clocks.run())
        await until(lambda: slow.asked)
        await asyncio.sleep(0.01)
        clocks.obey(Limits(2, cpu_hz=1e9))
        for _ in range(steps):
            await asyncio.sleep(0)
        run.cancel()
        await asyncio.wait((run,), timeout=5.0)
        assert run.cancelled()

    kit.run(life())


def test_a_fifo_in_place_of_the_file_stops_nothing(kit: Any, board: Any, tmp_path: Path) -> None:
    file = board.sysfs / "devices/system/cpu/cpufreq/policy0/scaling_max_freq"
    file.unlink()
    os.mkfifo(file)

    async def life() -> None:
        house.clocks.obey(Limits(2, cpu_hz=1e9))
        await until(house.knobs.report)
        assert house.clocks.steps == ClockSteps()

    house = House(board, tmp_path)
    kit.run(house.live(life))
    assert [(o.knob, o.state) for o in house.knobs.report()] == [("knobs.cpufreq", "failed")]


class Idle:
    """A load that does nothing."""

    def look(self) -> WatchedUsage:
        return WatchedUsage(0.0, 0, ())


def test_after_kill_9_the_clocks_of_a_simulated_board_are_back(kit: Any, tmp_path: Path) -> None:
    root, state = tmp_path / "board", tmp_path / "state"
    ticks = iter(range(100_000))
    twin = Twin(
        load_boards()["jetson-agx-orin-64gb"], root, Idle(), clock=lambda: 0.1 * next(ticks)
    )
    twin.step()
    folders = sorted((root / "sys/devices/system/cpu/cpufreq").iterdir())

    def shown() -> list[int]:
        return [int((folder / "scaling_max_freq").read_text()) for folder in folders]

    before = shown()
    steps = (folders[0] / "scaling_available_frequencies").read_text().split()
    for wanted in (steps[2:5], steps[3:4]):  # killed twice: the first original wins
        hz = [f"{khz}000" for khz in wanted]
        command = [sys.executable, "-c", KILLED, str(root), str(state), *hz]
        assert subprocess.run(command, timeout=60, check=False).returncode == -9
        assert shown() == [int(wanted[-1])] * len(before)
        twin.step()
    knobs = BoardKnobs(Knobs(), root, state, rest=lambda seconds: twin.step())
    kit.run(knobs.recover())
    twin.step()
    assert shown() == before
    assert {outcome.state for outcome in knobs.report()} == {"restored"}
