"""Which temperatures of a board count, and where each makes it slow down."""

from __future__ import annotations

import pytest
from foreign import FOREIGN, Expected
from trees import BOARDS

from edge_rt.board.discovery import Roots, discover
from edge_rt.board.heat_zones import HeatZones, hottest, nearest
from edge_rt.board.sampler import BoardSampler
from edge_rt.core.reports.board import HeatState
from edge_rt.testing.board import FakeBoard, FakeClock


def read(tree: FakeBoard, clock: FakeClock) -> BoardSampler:
    """Everything that the board can be read with, read once."""
    found = discover(Roots(tree.sysfs, tree.proc, tree.dev), clock=clock)
    sampler = BoardSampler(found.readers, clock)
    sampler.step(clock.now)
    return sampler


def again(sampler: BoardSampler, clock: FakeClock) -> None:
    clock.now += 1.1  # longer than any reader's period
    sampler.step(clock.now)


def temperature(zones: HeatZones) -> tuple[str | None, float | None]:
    hot = hottest(zones.now())
    return (hot.name, hot.temp_c) if hot else (None, None)


@pytest.mark.parametrize(("kind", "expected"), [(k, e) for k, (_, e) in FOREIGN.items()])
def test_boards_that_nobody_knows(
    tree: FakeBoard, clock: FakeClock, kind: str, expected: Expected
) -> None:
    FOREIGN[kind][0](tree)
    sampler = read(tree, clock)
    zones = HeatZones(sampler)
    assert temperature(zones) == (expected.zone, expected.temp_c)
    assert zones.lowest_trip_c() == expected.trip_c


@pytest.mark.parametrize("kind", BOARDS)
def test_every_zone_of_a_known_board_counts_or_says_why(
    tree: FakeBoard, clock: FakeClock, kind: str
) -> None:
    BOARDS[kind](tree)
    sampler = read(tree, clock)
    zones = HeatZones(sampler)
    names = [c.name for c in sampler.channels if c.kind == "temp_c"]
    assert sorted([zone.name for zone in zones.counting] + list(zones.apart)) == sorted(names)
    assert all(zones.apart.values())


def test_a_chip_that_cannot_be_read_any_more_is_not_replaced_by_what_is_beside_it(
    tree: FakeBoard, clock: FakeClock
) -> None:
    tree.zone("acpitz", 27_800)
    core = tree.hwmon("coretemp", {"temp1_label": "Core 0", "temp1_input": 71_000})
    sampler = read(tree, clock)
    zones = HeatZones(sampler)
    assert temperature(zones) == ("coretemp Core 0", 71.0)
    (core / "temp1_input").write_text("")
    again(sampler, clock)
    assert temperature(zones) == (None, None)


def test_what_is_beside_the_chip_stands_in_until_the_chip_is_read_first(
    tree: FakeBoard, clock: FakeClock
) -> None:
    tree.zone("acpitz", 27_800)
    core = tree.hwmon("coretemp", {"temp1_label": "Core 0", "temp1_input": ""})
    sampler = read(tree, clock)
    zones = HeatZones(sampler)
    assert temperature(zones) == ("acpitz", 27.8)
    assert zones.apart == {"coretemp Core 0": "it was never read"}
    (core / "temp1_input").write_text("71000\n")
    again(sampler, clock)
    assert temperature(zones) == ("coretemp Core 0", 71.0)
    assert zones.apart == {"acpitz": "there are zones of the chip"}


def test_the_hottest_is_of_all_readers(tree: FakeBoard, clock: FakeClock) -> None:
    tree.zone("cpu-thermal", 60_000)
    hwmon = tree.hwmon("k10temp", {"temp1_label": "Tctl", "temp1_input": 59_000})
    sampler = read(tree, clock)
    zones = HeatZones(sampler)
    assert temperature(zones) == ("cpu-thermal", 60.0)
    (hwmon / "temp1_input").write_text("60125\n")
    again(sampler, clock)
    assert temperature(zones) == ("k10temp Tctl", 60.125)


@pytest.mark.parametrize("value", [100_000, 125_000, 127_000])
def test_a_placeholder_does_not_decide_until_it_says_something_else(
    tree: FakeBoard, clock: FakeClock, value: int
) -> None:
    tree.zone("cpu-thermal", 31_000)
    gpu = tree.zone("gpu-thermal", value)
    sampler = read(tree, clock)
    zones = HeatZones(sampler)
    assert temperature(zones) == ("cpu-thermal", 31.0)
    assert zones.apart["gpu-thermal"].startswith(f"it says {value / 1000:g} °C and nothing else")
    (gpu / "temp").write_text(f"{value - 500}\n")
    again(sampler, clock)
    assert temperature(zones) == ("gpu-thermal", value / 1000 - 0.5)
    (gpu / "temp").write_text(f"{value}\n")
    again(sampler, clock)
    assert temperature(zones) == ("gpu-thermal", value / 1000)
    assert zones.apart == {}


@pytest.mark.parametrize("others", [[100_000, 66_000], [74_000], [], [""]])
def test_a_processor_at_its_limit_is_believed(
    tree: FakeBoard, clock: FakeClock, others: list[int | str]
) -> None:
    tree.zone("cpu-thermal", 100_000)
    for number, other in enumerate(others):
        tree.zone(f"cpu{number}-thermal", other)
    assert temperature(HeatZones(read(tree, clock)))[1] == 100.0


def test_a_profile_leaves_zones_out_and_lends_names_a_meaning(
    tree: FakeBoard, clock: FakeClock
) -> None:
    tree.zone("cpu-thermal", 40_000)
    tree.zone("gpu-thermal", 90_000)
    tree.zone("main0-thermal", 45_000)
    sampler = read(tree, clock)
    zones = HeatZones(sampler, {"gpu-thermal": True, "main0-thermal": False})
    assert temperature(zones) == ("main0-thermal", 45.0)
    assert zones.apart == {"gpu-thermal": "the profile leaves it out"}


# --- trip points


def trips(
    tree: FakeBoard, clock: FakeClock, profile_c: float | None = None
) -> dict[str, float | None]:
    found = HeatZones(read(tree, clock), profile_c=profile_c).now()
    return {zone.name: zone.trip_c for zone in found}


@pytest.mark.parametrize("kind", ["passive", "hot"])
def test_each_zone_has_its_own_and_lends_it_to_those_that_have_none(
    tree: FakeBoard, clock: FakeClock, kind: str
) -> None:
    tree.zone("cpu-thermal", 50_000, {"active": 55_000, kind: 99_000, "critical": 104_500})
    tree.zone("gpu-thermal", 50_000, {"passive": 97_000, "hot": 96_500})
    tree.zone("tj-thermal", 50_000, {"critical": 104_500})
    expected = {"cpu-thermal": 99.0, "gpu-thermal": 96.5, "tj-thermal": 96.5}
    assert trips(tree, clock, 80.0) == pytest.approx(expected)


def test_zones_that_do_not_count_lend_nothing(tree: FakeBoard, clock: FakeClock) -> None:
    tree.zone("cpu-thermal", 50_000)
    tree.zone("skin-thermal", 30_000, {"passive": 55_000})
    tree.zone("acpitz", 30_000, {"passive": 60_000})
    assert trips(tree, clock) == {"cpu-thermal": None}
    assert trips(tree, clock, 80.0) == {"cpu-thermal": 80.0}


@pytest.mark.parametrize("unset", [0, -274_000, -1000, 20_000, 300_000])
def test_a_trip_point_that_cannot_be_meant_is_none(
    tree: FakeBoard, clock: FakeClock, unset: int
) -> None:
    tree.zone("cpu-thermal", 50_000, {"passive": unset, "hot": unset})
    assert trips(tree, clock) == {"cpu-thermal": None}


def test_trip_points_that_only_wake_programs_are_none(tree: FakeBoard, clock: FakeClock) -> None:
    tree.zone("x86_pkg_temp", 50_000, {"passive": 55_000})
    assert trips(tree, clock) == {"x86_pkg_temp": None}


def test_the_processors_own_limit(tree: FakeBoard, clock: FakeClock) -> None:
    tree.zone("x86_pkg_temp", 50_000, {"passive": 0})
    limits = {"temp1_max": 80_000, "temp1_crit": 105_000}
    tree.hwmon("coretemp", {"temp1_label": "Core 0", "temp1_input": 50_000, **limits})
    assert trips(tree, clock, 95.0) == {"x86_pkg_temp": 105.0, "coretemp Core 0": 105.0}


def test_amds_is_the_last_resort(tree: FakeBoard, clock: FakeClock) -> None:
    tctl = {"temp1_label": "Tctl", "temp1_input": 50_000, "temp1_max": 70_000}
    folder = tree.hwmon("k10temp", tctl)
    assert trips(tree, clock) == {"k10temp Tctl": 95.0}
    assert trips(tree, clock, 105.0) == {"k10temp Tctl": 105.0}  # a profile's
    (folder / "temp1_crit").write_text("98000\n")
    assert trips(tree, clock, 105.0) == {"k10temp Tctl": 98.0}


def test_an_old_amd_processor_has_none(tree: FakeBoard, clock: FakeClock) -> None:
    """Its scale is of its own: nothing but its published limit says where it slows down."""
    tree.hwmon("k10temp", {"temp1_input": 50_000, "temp1_max": 70_000})
    assert trips(tree, clock) == {"k10temp temp1": None}


def test_a_graphics_cards_limit_is_for_itself(tree: FakeBoard, clock: FakeClock) -> None:
    tree.zone("cpu-thermal", 50_000)
    edge = {"temp1_label": "edge", "temp1_input": 50_000, "temp1_crit": 94_000}
    tree.hwmon("amdgpu", edge)
    assert trips(tree, clock) == {"cpu-thermal": None, "amdgpu edge": 94.0}


def test_the_nearest_is_so_by_its_share_of_the_trip_point() -> None:
    cpu, gpu = HeatState("cpu", 80.0, 105.0), HeatState("gpu", 60.0, 70.0)
    unknown = HeatState("soc", 100.0, None)
    assert nearest([cpu, gpu, unknown]) == gpu
    assert hottest([cpu, gpu, unknown]) == unknown
    assert nearest([unknown]) is None
    assert nearest([]) is hottest([]) is None
