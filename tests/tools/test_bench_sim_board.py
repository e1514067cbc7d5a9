"""Records of simulated boards, their windows, and boards that are fed again."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from benchlib.boards import load_boards
from benchlib.looks import (
    Look,
    between,
    mean_w,
    read,
    share_within,
    throttles,
    windows_w,
    write_line,
)
from benchlib.sim_board import SimBoard, even, recorded, replay
from benchlib.twin_record import PERIOD_S, Past, RecordedTwin, later

from edge_rt.config.boards import SHIPPED
from edge_rt.twin.load import WatchedUsage
from edge_rt.twin.run import Event

PI = SimBoard("raspberry-pi-5", seed=0)


def looks(powers_w: list[float], dt_s: float = 0.5) -> list[Look]:
    return [Look((n + 1) * dt_s, dt_s, 1.0, power, 40.0, 0) for n, power in enumerate(powers_w)]


def test_a_window_is_the_mean_of_the_second_before_each_look() -> None:
    assert windows_w(looks([2.0, 4.0, 6.0, 0.0])) == pytest.approx([3.0, 5.0, 3.0])


def test_a_window_takes_a_part_of_a_look_that_lies_across_its_begin() -> None:
    assert windows_w(looks([1.0, 2.0, 4.0], dt_s=0.75)) == pytest.approx([1.75, 3.5])


def test_looks_of_less_than_a_second_have_no_window() -> None:
    assert windows_w(looks([1.0])) == []
    assert windows_w([]) == []
    assert share_within([], 5.0) == 0.0


def test_a_window_at_the_cap_is_within_it() -> None:
    assert share_within([1.0, 2.0, 2.0 + 1e-6, 3.0], 2.0) == 0.5


def test_a_peak_above_the_cap_counts_for_every_window_that_it_lifts() -> None:
    powers = [1.0] * 20 + [12.0] + [1.0] * 20
    share = share_within(windows_w(looks(powers, dt_s=0.1)), 1.5)
    assert share == pytest.approx(1 - 10 / 32)


def test_the_mean_weighs_by_time() -> None:
    seen = [Look(1.0, 1.0, 0.0, 2.0, 40.0, 0), Look(4.0, 3.0, 0.0, 4.0, 40.0, 0)]
    assert mean_w(seen) == 3.5


def test_a_throttle_counts_each_time_that_the_clock_goes_down() -> None:
    states = [0, 1, 2, 2, 1, 0, 1]
    assert throttles([Look(n, 1.0, 0.0, 0.0, 80.0, state) for n, state in enumerate(states)]) == 3


def test_a_record_is_read_as_it_was_written_but_for_a_line_under_way(tmp_path: Path) -> None:
    seen = Look(12345.678901, 0.1, 1.25, 4.5, 61.5, 2)
    file = tmp_path / "record"
    file.write_text(write_line(seen) + write_line(seen)[:-5])
    assert read(file) == [seen]


def test_only_looks_that_lie_within_the_time_are_taken() -> None:
    seen = between(looks([1.0, 2.0, 3.0, 4.0]), 0.5, 1.6)
    assert [k.power_w for k in seen] == [2.0, 3.0]


def test_busy_cores_are_put_to_an_even_pace_with_all_their_seconds() -> None:
    seen = [Look(0.0, dt, busy, 0, 0, 0) for dt, busy in ((0.15, 2.0), (0.05, 0.0), (0.2, 1.0))]
    assert even(seen) == pytest.approx([2.0, 1.0, 1.0, 1.0])


def test_a_board_can_be_fed_again_what_it_was_fed() -> None:
    first = replay(PI, [2.0, 0.5], 4.0)
    assert len(first) == 40
    assert [k.busy_cores for k in first[:3]] == [2.0, 0.5, 2.0]
    assert first[-1].time_s == pytest.approx(4.0)
    assert replay(PI, [k.busy_cores for k in first], 4.0) == first


def test_a_fed_board_lives_through_its_past_and_its_events() -> None:
    hot = SimBoard(
        "raspberry-pi-5", 14, 35.0, ("ambient@1=45", "fan-failure@2"), past_s=900.0, past_cores=2.0
    )
    cold, warm = replay(PI, [2.0], 1.0), replay(hot, [2.0], 1.0)
    assert cold[0].chip_c < 30.0 < 55.0 < warm[0].chip_c
    later_on = replay(hot, [2.0], 300.0)
    assert throttles(later_on) > 0
    assert throttles(later_on[:600]) == 0


class Quiet:
    def __init__(self) -> None:
        self.looks = 0

    def look(self) -> WatchedUsage:
        self.looks += 1
        return WatchedUsage(0.01, 0, ())


def test_the_past_is_lived_through_at_the_first_step_and_not_written_down(tmp_path: Path) -> None:
    past = Past(Quiet(), seconds=600.0, cores=2.0)
    file = tmp_path / "record"
    with file.open("w") as record:
        twin = RecordedTwin(load_boards()[PI.name], tmp_path / "tree", past, record, ambient_c=35.0)
        temps = [state.chip_c for _ in range(4) if (state := twin.step())]
        twin.close()
    assert temps[0] == pytest.approx(35.0, abs=0.01)
    assert temps[1] > 50.0
    assert [k.chip_c for k in read(file)] == pytest.approx(temps[2:], rel=1e-4)
    assert all(k.dt_s < 10.0 for k in read(file))


def test_the_core_that_waits_for_a_gpu_stands_for_no_others() -> None:
    class AtWork:
        def look(self) -> WatchedUsage:
            return WatchedUsage(1.5, 0, (), 1.0)

    past = Past(AtWork(), seconds=60.0, cores=2.0, each=3.0)
    looks = [(past.look(), past.clock()) for _ in range(3)]
    used = [(look.busy_s, look.gpu_s) for look, _ in looks if look is not None]
    assert used[1:] == [(360.0, 0.0), (2.5, 1.0)]


def test_events_count_from_the_end_of_the_past() -> None:
    event = later(Event("ambient", 10.0, 20.0, value=45.0), 600.0)
    assert (event.start_s, event.end_s, event.value) == (610.0, 620.0, 45.0)


def test_a_board_is_recorded_while_a_child_of_this_process_works(tmp_path: Path) -> None:
    async def run() -> list[Look]:
        async with recorded(PI, Path(sys.executable), tmp_path) as board:
            assert (board.root / "sys").is_dir()
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
            try:
                while not any(look.busy_cores for look in read(board.record)):
                    await asyncio.sleep(PERIOD_S)
            finally:
                child.kill()
                await child.wait()
            return board.between(0.0, float("inf"))

    seen = asyncio.run(run())
    assert seen
    assert sum(k.busy_cores for k in seen) > 0.0
    assert not (tmp_path / "tree" / "sys").exists()


def test_a_machine_with_fewer_cores_stands_for_a_whole_board() -> None:
    whole = SimBoard.whole("raspberry-pi-5", 0, cores=2)
    seen = replay(whole, [2.0], 5.0)
    assert [k.busy_cores for k in seen] == [2.0] * len(seen)
    assert [k.power_w for k in seen] == [k.power_w for k in replay(PI, [4.0], 5.0)]


def test_the_daemon_is_told_of_a_board_with_the_cores_that_there_are(tmp_path: Path) -> None:
    whole = SimBoard.whole("raspberry-pi-5", 0, cores=2)
    (tmp_path / f"{whole.name}.yaml").write_text(whole.profile())
    told, known = load_boards((SHIPPED, tmp_path))[whole.name], load_boards()[whole.name]
    assert sum(cluster.cores for cluster in told.clusters.values()) == 2
    assert told.draw == known.draw
