"""Where the board throttles, and how hard its fan is driven, by what its files say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchlib.boards import load_boards
from trees import BOARDS

from edge_rt.board.meters import fan_drive, temperatures
from edge_rt.board.profile import BoardChoice
from edge_rt.board.readers.heat import FanReader
from edge_rt.board.readers.heat import ThermalReader as ThermalReader
from edge_rt.board.sampler import BoardSampler
from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.config.board import Board, Thermal, Trips, Zone
from edge_rt.testing.board import FakeBoard

SOURCE: Any = ("general",)


def board(trips: dict[str, Any] | None = None, **zones: bool) -> Board:
    """A profile that knows these zones, and whether they are ignored."""
    known = {name: Zone(source=SOURCE, ignored=ignored) for name, ignored in zones.items()}
    told = None if trips is None else Trips(source=SOURCE, **trips)
    return Board(id="a-board", name="A board", thermal=Thermal(zones=known, trips=told))


def snapshot(tree: FakeBoard, profile: Board | None = None) -> BoardSnapshot:
    """A look at the tree, with one reading of everything."""
    sampler = BoardSampler([ThermalReader(tree.sysfs), FanReader(tree.sysfs)], lambda: 1.0)
    sampler.step(1.0)
    return BoardSnapshot(Path("/"), BoardChoice(profile), sampler, (), None)


# --- temperatures


def test_the_hottest_zone_and_its_trip_point(tree: FakeBoard) -> None:
    tree.zone("cpu", 50_000, {"passive": 99_000})
    tree.zone("gpu", 48_000, {"passive": 99_000})
    assert temperatures(snapshot(tree)) == pytest.approx((50.0, 50.0, 99.0))


def test_the_zone_that_is_nearest_to_its_own_trip_point(tree: FakeBoard) -> None:
    tree.zone("cpu", 50_000, {"passive": 99_000})
    tree.zone("gpu", 49_000, {"passive": 97_000, "hot": 80_000})
    assert temperatures(snapshot(tree)) == pytest.approx((50.0, 49.0, 80.0))


def test_the_kernels_goes_before_the_profiles(tree: FakeBoard) -> None:
    profile = board({"throttle_c": 80.0, "hot_c": 85.0}, cpu=False)
    tree.zone("cpu", 50_000)
    assert temperatures(snapshot(tree, profile)).trip_c == pytest.approx(80.0)
    tree.zone("gpu", 40_000, {"passive": 90_000})
    assert temperatures(snapshot(tree, profile)).trip_c == pytest.approx(90.0)


def test_the_profiles_heavy_throttling_where_it_names_no_light_one(tree: FakeBoard) -> None:
    tree.zone("cpu", 50_000)
    told = board({"hot_c": 98.5, "shutdown_c": 102.5})
    assert temperatures(snapshot(tree, told)).trip_c == pytest.approx(98.5)
    for profile in (board({"shutdown_c": 102.5}), board(), None):
        assert temperatures(snapshot(tree, profile)) == (50.0, None, None)


def test_zones_that_do_not_count_have_no_say(tree: FakeBoard) -> None:
    tree.zone("cpu", 50_000, {"passive": 95_000})
    tree.zone("skin", 60_000, {"passive": 61_000})
    tree.zone("wifi", 70_000, {"passive": 71_000})
    tree.zone("gpu", 80_000, {"passive": 81_000})
    assert temperatures(snapshot(tree, board(cpu=False, gpu=True))) == (50.0, 50.0, 95.0)


def test_a_board_without_zones_has_none(tree: FakeBoard) -> None:
    assert temperatures(snapshot(tree)) == temperatures(None) == (None, None, None)


def test_zones_that_cannot_be_read_any_more(tree: FakeBoard) -> None:
    kept = tree.zone("cpu", 50_000, {"passive": 95_000})
    gated = tree.zone("gpu", 60_000, {"passive": 90_000})
    seen = snapshot(tree)
    for path in gated.iterdir():
        path.unlink()
    (kept / "temp").write_text("52000\n")
    seen.sampler.step(10.0)
    assert temperatures(seen) == (52.0, 52.0, 95.0)
    (kept / "temp").write_text("")
    seen.sampler.step(20.0)
    assert temperatures(seen) == (None, None, 90.0)  # for whoever forecasts it all the same


def test_a_zone_whose_part_is_off_leaves_the_others(tree: FakeBoard) -> None:
    tree.zone("cpu", 50_000)
    gated = tree.zone("gpu", 60_000)
    (gated / "temp").write_text("")  # what EAGAIN leaves
    assert temperatures(snapshot(tree)).hottest_c == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("kind", "profile", "expected"),
    [
        ("orin-nano", "jetson-orin-nano-8gb", 99.0),
        ("nano", "jetson-nano-4gb", 98.5),
        ("pi5", "raspberry-pi-5", 80.0),
        ("pi4", "raspberry-pi-4b", 80.0),
        ("x86", "generic-x86", None),
    ],
)
def test_boards(tree: FakeBoard, kind: str, profile: str, expected: float | None) -> None:
    BOARDS[kind](tree)
    assert temperatures(snapshot(tree, load_boards()[profile])).trip_c == expected


# --- the fan


def test_the_drive(tree: FakeBoard) -> None:
    tree.hwmon("pwmfan", {"fan1_input": 3120, "pwm1": 102})
    assert fan_drive(snapshot(tree)) == pytest.approx(0.4)


def test_the_drive_where_nobody_tells_the_speed(tree: FakeBoard) -> None:
    tree.hwmon("pwmfan", {"pwm1": 255})
    assert fan_drive(snapshot(tree)) == 1.0


def test_a_fan_that_stands_still_does_not_cool_however_it_is_driven(tree: FakeBoard) -> None:
    tree.hwmon("pwmfan", {"pwm1": 255})
    tree.hwmon("pwm_tach", {"rpm": 0})
    assert fan_drive(snapshot(tree)) == 0.0


def test_a_fan_that_is_off(tree: FakeBoard) -> None:
    tree.hwmon("pwmfan", {"fan1_input": 0, "pwm1": 0})
    assert fan_drive(snapshot(tree)) == 0.0


def test_of_two_fans_the_harder_driven_counts(tree: FakeBoard) -> None:
    tree.hwmon("one", {"fan1_input": 0, "pwm1": 51})
    tree.hwmon("two", {"fan1_input": 1200, "pwm1": 204})
    assert fan_drive(snapshot(tree)) == pytest.approx(0.8)


def test_a_speed_that_cannot_be_read_is_not_0(tree: FakeBoard) -> None:
    tree.hwmon("pwmfan", {"fan1_input": "", "pwm1": 51})
    assert fan_drive(snapshot(tree)) == pytest.approx(0.2)


def test_a_drive_that_cannot_be_read_is_not_0(tree: FakeBoard) -> None:
    tree.hwmon("pwmfan", {"fan1_input": 1200, "pwm1": ""})
    assert fan_drive(snapshot(tree)) is None


def test_a_board_without_a_fan(tree: FakeBoard) -> None:
    tree.cooling("cpu-throttle-alert", 1, 1)  # has a fraction too
    assert fan_drive(snapshot(tree)) is None
