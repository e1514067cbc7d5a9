"""The daemon turns what is configured, goes on without what it may not turn, and cleans up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from benchlib.boards import load_boards

from edge_rt.config.schema import Knobs
from edge_rt.core.limits import Limits
from edge_rt.governor.knobs.board_knobs import AGAIN_S, FEWEST_JOULES, SETTLE_S, BoardKnobs
from edge_rt.governor.knobs.journal import KnobOutcome
from edge_rt.governor.knobs.programs import Program, ProgramResult
from edge_rt.twin.load import WatchedUsage
from edge_rt.twin.run import Twin

KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from edge_rt.config.schema import Knobs
from edge_rt.governor.knobs.board_knobs import BoardKnobs

async def die(seconds):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    root, state, hz = sys.argv[1:]
    knobs = BoardKnobs(Knobs(cpufreq_max_hz=float(hz)), Path(root), Path(state))
    await knobs.recover()
    await knobs.turn(die)

asyncio.run(main())
"""


def at_once(seconds: float) -> None:
    """Rests that take no time."""


async def no_pause(seconds: float) -> None:
    await asyncio.sleep(0)


def make(tree: Any, state: Path, wanted: Knobs, program: Program | None = None) -> BoardKnobs:
    return BoardKnobs(wanted, tree.sysfs.parent, state, program, at_once)


def states(knobs: BoardKnobs) -> dict[str, str]:
    """The last part of each knob's name, and what became of it."""
    return {Path(outcome.knob).name: outcome.state for outcome in knobs.report()}


def khz(tree: Any) -> int:
    folder = tree.sysfs / "devices/system/cpu/cpufreq/policy0"
    return int((folder / "scaling_max_freq").read_text())


@pytest.fixture
def board(tree: Any) -> Any:
    tree.policy(0, "0 1", 1_000_000, 2_000_000, 400_000)
    return tree


def test_nothing_is_configured_and_nothing_is_touched(kit: Any, board: Any, tmp_path: Path) -> None:
    async def live() -> BoardKnobs:
        knobs = make(board, tmp_path / "state", Knobs())
        await knobs.recover()
        await knobs.turn(no_pause)
        await knobs.restore()
        return knobs

    assert kit.run(live()).report() == []
    assert not (tmp_path / "state").exists()


def test_what_is_configured_is_turned_and_put_back(kit: Any, board: Any, tmp_path: Path) -> None:
    async def live() -> list[list[KnobOutcome]]:
        knobs = make(board, tmp_path, Knobs(cpufreq_max_hz=1e9))
        await knobs.recover()
        await knobs.turn(no_pause)
        assert khz(board) == 1_000_000
        turned = knobs.report()
        await knobs.restore()
        return [turned, knobs.report()]

    turned, restored = kit.run(live())
    assert [(o.state, o.original, o.value) for o in turned] == [("turned", 2_000_000, 1_000_000)]
    assert {o.state for o in restored} == {"restored"}
    assert khz(board) == 2_000_000


def test_it_goes_on_without_the_knobs_that_cannot_be_had(
    kit: Any, board: Any, tmp_path: Path
) -> None:
    async def live() -> BoardKnobs:
        knobs = make(board, tmp_path, Knobs(cpufreq_max_hz=1e9, nvpmodel="15W"))
        await knobs.turn(no_pause)
        return knobs

    knobs = kit.run(live())
    assert states(knobs) == {"knobs.nvpmodel": "failed", "scaling_max_freq": "turned"}
    assert all(outcome.said for outcome in knobs.report() if outcome.state == "failed")


def test_the_power_mode_is_turned_first_and_put_back_last(
    kit: Any, board: Any, tmp_path: Path
) -> None:
    file = board.sysfs / "devices/system/cpu/cpufreq/policy0/scaling_max_freq"
    mode = "MAXN"

    def nvpmodel(arguments: Sequence[str], said: str) -> ProgramResult:
        """As the real one, it sets the clock with the mode."""
        nonlocal mode
        if arguments[0] == "-m":
            mode = {"0": "MAXN", "1": "15W"}[arguments[1]]
            file.write_text({"MAXN": "2000000", "15W": "1500000"}[mode])
        rows = "POWER_MODEL: ID=0 NAME=MAXN\nPOWER_MODEL: ID=1 NAME=15W\n"
        return ProgramResult(0, f"{rows}NV Power Mode: {mode}\n")

    async def live() -> None:
        wanted = Knobs(nvpmodel="15W", cpufreq_max_hz=1e9)
        knobs = make(board, tmp_path, wanted, nvpmodel)
        await knobs.turn(no_pause)
        assert (mode, khz(board)) == ("15W", 1_000_000)
        await knobs.restore()
        assert set(states(knobs).values()) == {"restored"}

    kit.run(live())
    assert (mode, khz(board)) == ("MAXN", 2_000_000)


class Modes:
    """Modes whose clocks nvpmodel sets, as the real one."""

    def __init__(self, file: Path) -> None:
        self.mode, self.file = "MAXN", file

    def nvpmodel(self, arguments: Sequence[str], said: str) -> ProgramResult:
        if arguments[0] == "-m":
            self.mode = {"0": "MAXN", "1": "15W"}[arguments[1]]
            self.file.write_text({"MAXN": "2000000", "15W": "1500000"}[self.mode])
        rows = "POWER_MODEL: ID=0 NAME=MAXN\nPOWER_MODEL: ID=1 NAME=15W\n"
        return ProgramResult(0, f"{rows}NV Power Mode: {self.mode}\n")


@pytest.fixture
def modes(board: Any) -> Modes:
    return Modes(board.sysfs / "devices/system/cpu/cpufreq/policy0/scaling_max_freq")


def test_caps_outlast_each_switch_of_the_power_mode(
    kit: Any, board: Any, modes: Modes, tmp_path: Path
) -> None:
    async def live() -> None:
        wanted = Knobs(nvpmodel=FEWEST_JOULES, cpufreq_max_hz=1e9)
        knobs = make(board, tmp_path, wanted, modes.nvpmodel)
        await knobs.turn(no_pause)
        for mode in ("15W", "MAXN", "15W"):
            assert await knobs.switch(mode)
            assert (modes.mode, khz(board)) == (mode, 1_000_000)
        await knobs.restore()

    kit.run(live())
    assert (modes.mode, khz(board)) == ("MAXN", 2_000_000)


def test_a_switch_of_the_power_mode_leaves_alone_what_somebody_else_set(
    kit: Any, board: Any, modes: Modes, tmp_path: Path
) -> None:
    async def live() -> None:
        wanted = Knobs(nvpmodel=FEWEST_JOULES, cpufreq_max_hz=1e9)
        knobs = make(board, tmp_path, wanted, modes.nvpmodel)
        await knobs.turn(no_pause)
        modes.file.write_text("1200000")
        assert await knobs.switch("15W")
        assert khz(board) == 1_500_000  # the mode's own
        assert await knobs.switch("MAXN")
        assert khz(board) == 2_000_000

    kit.run(live())


@pytest.mark.parametrize("top_hz", [None, 1.2e9])
def test_a_governed_clock_is_governed_after_a_switch_of_the_power_mode(
    kit: Any, board: Any, modes: Modes, tmp_path: Path, top_hz: float | None
) -> None:
    async def live() -> None:
        wanted = Knobs(nvpmodel=FEWEST_JOULES, cpufreq="governed", cpufreq_max_hz=top_hz)
        knobs = make(board, tmp_path, wanted, modes.nvpmodel)
        await knobs.turn(no_pause)
        knobs.clocks.obey(Limits(4, cpu_hz=1e9))
        knobs.clocks.look()
        assert 800_000 <= khz(board) <= 1_000_000  # a step
        assert await knobs.switch("15W")
        assert 800_000 <= khz(board) <= 1_000_000
        assert max(knobs.clocks.steps.cpu_hz) == min(1.5e9, top_hz or 1.5e9)
        knobs.clocks.obey(Limits(4))
        knobs.clocks.look()
        assert await knobs.switch("MAXN")
        assert max(knobs.clocks.steps.cpu_hz) == min(2e9, top_hz or 2e9)
        await knobs.restore()

    kit.run(live())
    assert (modes.mode, khz(board)) == ("MAXN", 2_000_000)


def test_a_knob_that_has_to_wait_is_tried_again(kit: Any, board: Any, tmp_path: Path) -> None:
    cooler = board.cooling("cpufreq-cpu0", 2, 5)
    waits: list[float] = []

    async def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            board.write(cooler, {"cur_state": 0})

    async def live() -> None:
        knobs = make(board, tmp_path, Knobs(cpufreq_max_hz=1e9))
        await knobs.turn(pause)
        assert states(knobs) == {"scaling_max_freq": "turned"}

    kit.run(live())
    assert waits == [SETTLE_S, AGAIN_S, AGAIN_S]


def test_somebody_else_who_turns_a_knob_is_noticed(kit: Any, board: Any, tmp_path: Path) -> None:
    limit = board.sysfs / "devices/system/cpu/cpufreq/policy0/scaling_max_freq"

    async def pause(seconds: float) -> None:
        limit.write_text("1200000\n")

    async def live() -> None:
        knobs = make(board, tmp_path, Knobs(cpufreq_max_hz=1e9))
        await knobs.turn(pause)
        assert states(knobs) == {limit.name: "moved"}
        await knobs.restore()

    kit.run(live())
    assert limit.read_text() == "1200000\n"


def test_an_end_while_knobs_are_turned_puts_all_back(kit: Any, board: Any, tmp_path: Path) -> None:
    asked, answer = threading.Event(), threading.Event()

    def nvpmodel(arguments: Sequence[str], said: str) -> ProgramResult:
        asked.set()
        answer.wait(10)
        return ProgramResult(3, "inactive")

    async def live() -> BoardKnobs:
        wanted = Knobs(nvpmodel="15W", cpufreq_max_hz=1e9)
        knobs = make(board, tmp_path, wanted, nvpmodel)
        turning = asyncio.create_task(knobs.turn(no_pause))
        await asyncio.to_thread(asked.wait, 10)
        ending = asyncio.create_task(knobs.restore())
        await asyncio.sleep(0)
        turning.cancel()  # its thread goes on
        answer.set()
        await ending
        await asyncio.gather(turning, return_exceptions=True)
        return knobs

    knobs = kit.run(live())
    assert "turned" not in states(knobs).values()
    assert khz(board) == 2_000_000


def test_two_daemons_do_not_turn_the_same_knobs(kit: Any, board: Any, tmp_path: Path) -> None:
    async def live() -> None:
        first, second = (make(board, tmp_path, Knobs(cpufreq_max_hz=hz)) for hz in (1e9, 1.5e9))
        await first.turn(no_pause)
        await second.recover()
        await second.turn(no_pause)
        await second.restore()
        assert states(second) == {"knobs": "failed"}
        assert khz(board) == 1_000_000
        await first.restore()
        assert khz(board) == 2_000_000

    kit.run(live())


def test_a_journal_that_cannot_be_understood_does_not_stop_the_daemon(
    kit: Any, board: Any, tmp_path: Path
) -> None:
    (tmp_path / "knobs.json").write_text("{")

    async def live() -> None:
        knobs = make(board, tmp_path, Knobs(cpufreq_max_hz=1e9))
        await knobs.recover()
        await knobs.turn(no_pause)
        await knobs.restore()
        assert set(states(knobs).values()) == {"failed"}

    kit.run(live())
    assert khz(board) == 2_000_000
    assert (tmp_path / "knobs.json").read_text() == "{"


def test_a_file_that_blocks_does_not_keep_the_daemon_from_ending(
    kit: Any, board: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_rt.governor.knobs.board_knobs.RESTORE_S", 0.05)
    gate = threading.Event()

    async def live() -> None:
        knobs = make(board, tmp_path, Knobs(cpufreq_max_hz=1e9))
        await knobs.turn(no_pause)
        monkeypatch.setattr(knobs._turner, "restore", lambda: gate.wait(60))
        await knobs.restore()

    kit.run(live())  # also ends the loop, which waits for its own threads
    assert not gate.is_set()
    gate.set()


class Idle:
    """A load that does nothing."""

    def look(self) -> WatchedUsage:
        return WatchedUsage(0.0, 0, ())


def test_after_kill_9_the_clocks_of_a_simulated_board_are_back(kit: Any, tmp_path: Path) -> None:
    root, state = tmp_path / "board", tmp_path / "state"
    ticks = iter(range(10_000))
    profile = load_boards()["jetson-agx-orin-64gb"]
    twin = Twin(profile, root, Idle(), clock=lambda: 0.1 * next(ticks))
    twin.step()
    folders = sorted((root / "sys/devices/system/cpu/cpufreq").iterdir())
    shown = lambda: [int((f / "scaling_max_freq").read_text()) for f in folders]  # noqa: E731
    before = shown()
    assert len(before) > 1
    for hz in ("1e9", "1.2e9"):  # killed twice: the first original wins
        command = [sys.executable, "-c", KILLED, str(root), str(state), hz]
        assert subprocess.run(command, timeout=60, check=False).returncode == -9
        twin.step()
        assert shown() == [round(float(hz) / 1e3)] * len(before)
    knobs = BoardKnobs(Knobs(), root, state, rest=lambda seconds: twin.step())
    kit.run(knobs.recover())
    twin.step()
    assert shown() == before
    assert {outcome.state for outcome in knobs.report()} == {"restored"}
