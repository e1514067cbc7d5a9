"""Simulated boards around real processes, and their records."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from benchlib.boards import load_boards
from benchlib.sim_board import SimBoard, recorded
from benchlib.twin_record import PERIOD_S, Look, RecordedTwin, Scaled, read_from, write_line

from edge_rt.config.boards import SHIPPED
from edge_rt.twin.load import WatchedUsage

PI = SimBoard("raspberry-pi-5", seed=0)


class AtWork:
    """Two cores' seconds each time, of which one waits for a GPU."""

    def look(self) -> WatchedUsage:
        return WatchedUsage(2.0, 0, (), 1.0)


def test_a_record_is_read_as_it_was_written_but_for_a_line_under_way(tmp_path: Path) -> None:
    seen = Look(12345.678901, 0.1, 4.5)
    file = tmp_path / "record"
    file.write_text(write_line(seen) + write_line(seen)[:-5])
    looks, offset = read_from(file, 0)
    assert looks == [seen]
    with file.open("a") as record:
        record.write(write_line(seen)[-5:])
    assert read_from(file, offset)[0] == [seen]


def test_each_step_but_the_first_is_written_down(tmp_path: Path) -> None:
    file = tmp_path / "record"
    with file.open("w") as record:
        twin = RecordedTwin(load_boards()[PI.name], tmp_path / "tree", AtWork(), record)
        powers = [state.total_w for _ in range(4) if (state := twin.step())]
        twin.close()
    looks, _ = read_from(file, 0)
    assert [look.power_w for look in looks] == pytest.approx(powers[1:], rel=1e-4)
    assert all(0.0 < look.dt_s < 10.0 for look in looks)


def test_the_core_that_waits_for_a_gpu_stands_for_no_others() -> None:
    used = Scaled(AtWork(), each=3.0).look()
    assert used is not None
    assert (used.busy_s, used.gpu_s) == (4.0, 1.0)


def test_a_board_is_recorded_while_a_child_of_this_process_works(tmp_path: Path) -> None:
    async def run() -> list[Look]:
        async with recorded(PI, Path(sys.executable), tmp_path) as board:
            assert (board.root / "sys").is_dir()
            idle_w = read_from(board.record, 0)[0][0].power_w
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
            try:
                while read_from(board.record, 0)[0][-1].power_w < 1.1 * idle_w:
                    await asyncio.sleep(PERIOD_S)
            finally:
                child.kill()
                await child.wait()
            return read_from(board.record, 0)[0]

    assert asyncio.run(run())
    assert not (tmp_path / "tree" / "sys").exists()


def test_a_machine_with_fewer_cores_stands_for_a_whole_board() -> None:
    assert SimBoard.whole("raspberry-pi-5", 0, cores=2).each == 2.0


def test_the_daemon_is_told_of_a_board_with_the_cores_that_there_are(tmp_path: Path) -> None:
    whole = SimBoard.whole("raspberry-pi-5", 0, cores=2)
    (tmp_path / f"{whole.name}.yaml").write_text(whole.profile())
    told, known = load_boards((SHIPPED, tmp_path))[whole.name], load_boards()[whole.name]
    assert sum(cluster.cores for cluster in told.clusters.values()) == 2
    assert told.draw == known.draw
