"""Zones come and go; trip points and cooling devices are told."""

from __future__ import annotations

import errno
import shutil

import pytest
from faults import Faults, figures
from trees import agx_orin, nano, x86

from edge_rt.board.readers.heat import ThermalReader, TripPoint
from edge_rt.testing.board import FakeBoard


def test_zones_trip_points_and_cooling(tree: FakeBoard) -> None:
    agx_orin(tree)
    reader = ThermalReader(tree.sysfs)
    got = figures(reader)
    assert got["cpu-thermal", "temp_c"] == pytest.approx(45.0)
    assert got["tj-thermal", "temp_c"] == pytest.approx(46.0)
    assert got["pwm-fan", "fraction"] == pytest.approx(0.5)
    assert got["cpu-throttle-alert", "fraction"] == 0.0
    assert reader.zones[0].trips == (
        TripPoint("passive", 99.0),
        TripPoint("critical", 104.5),
    )


def test_a_gated_zone_is_missing_and_comes_back(tree: FakeBoard, faults: Faults) -> None:
    agx_orin(tree)
    reader = ThermalReader(tree.sysfs, io=faults.io)
    gpu = reader.zones[1].folder / "temp"
    faults.errors[gpu] = [errno.EAGAIN]
    got = figures(reader)
    assert got["gpu-thermal", "temp_c"] is None
    assert got["cpu-thermal", "temp_c"] == pytest.approx(45.0)
    assert "EAGAIN" in (reader.errors[1] or "")
    del faults.errors[gpu]
    assert figures(reader)["gpu-thermal", "temp_c"] == pytest.approx(45.25)


@pytest.mark.parametrize("invalid", [-256_000, -274_000, 2_000_000])
def test_a_temperature_that_cannot_be_is_missing(tree: FakeBoard, invalid: int) -> None:
    zone = tree.zone("cv0-thermal", invalid)
    reader = ThermalReader(tree.sysfs)
    assert figures(reader)["cv0-thermal", "temp_c"] is None
    (zone / "temp").write_text("-12500\n")  # a cold morning is none of those
    assert figures(reader)["cv0-thermal", "temp_c"] == pytest.approx(-12.5)


def test_a_zone_that_vanishes_comes_back(tree: FakeBoard) -> None:
    nano(tree)
    reader = ThermalReader(tree.sysfs)
    zone = reader.zones[0].folder
    assert figures(reader)["CPU-therm", "temp_c"] == pytest.approx(41.5)
    shutil.rmtree(zone)
    assert figures(reader)["CPU-therm", "temp_c"] is None
    tree.write(zone, {"type": "CPU-therm", "temp": 42_000})
    assert figures(reader)["CPU-therm", "temp_c"] == pytest.approx(42.0)


def test_devices_of_one_type_have_names_of_their_own(tree: FakeBoard) -> None:
    for _ in range(3):
        tree.zone("acpitz", 30_000)
        tree.cooling("Processor", 1, 10)
    tree.cooling("Fan", 0, 0)
    reader = ThermalReader(tree.sysfs)
    assert [zone.name for zone in reader.zones] == ["acpitz", "acpitz#2", "acpitz#3"]
    devices = [channel.name for channel in reader.channels if channel.kind == "fraction"]
    assert devices == ["Processor", "Processor#2", "Processor#3"]
    assert [skipped.name for skipped in reader.skipped] == ["Fan"]


def test_a_state_beyond_the_greatest_is_missing(tree: FakeBoard) -> None:
    tree.cooling("fan", 5, 4)
    assert figures(ThermalReader(tree.sysfs))["fan", "fraction"] is None


def test_trip_points_without_a_meaning_are_left_out(tree: FakeBoard) -> None:
    tree.zone("x86_pkg_temp", 52_000, {"passive": -274_000, "hot": 90_000})
    assert ThermalReader(tree.sysfs).zones[0].trips == (TripPoint("hot", 90.0),)


def test_x86_zones(tree: FakeBoard) -> None:
    x86(tree)
    assert figures(ThermalReader(tree.sysfs))["x86_pkg_temp", "temp_c"] == pytest.approx(52.0)
