"""Zones of RAPL are named apart and may not be readable."""

from __future__ import annotations

import errno

import pytest
from faults import Faults, figures
from trees import x86

from edge_rt.board.readers.rapl import Rapl, udev_rule
from edge_rt.testing.board import FakeBoard, FakeClock


def test_packages_parts_and_both_interfaces_are_named_apart(tree: FakeBoard) -> None:
    x86(tree)
    names = [c.name for c in Rapl(tree.sysfs).channels if c.kind == "power_w"]
    assert sorted(names) == [
        "mmio/package-0",
        "package-0",
        "package-0/core",
        "package-0/uncore",
        "psys",
    ]


def test_power_is_over_the_window_and_energy_since_the_start(
    tree: FakeBoard, clock: FakeClock
) -> None:
    x86(tree)
    reader = Rapl(tree.sysfs, clock=clock)
    got = figures(reader)
    assert got["package-0", "power_w"] is None
    assert got["package-0", "energy_j"] == 0.0
    clock.now += 0.5
    tree.rapl("intel-rapl:0", "package-0", 8_500_000)
    got = figures(reader)
    assert got["package-0", "power_w"] == pytest.approx(15.0)
    assert got["package-0", "energy_j"] == pytest.approx(7.5)
    assert got["package-0/core", "power_w"] == 0.0


@pytest.mark.parametrize("error", [errno.EACCES, errno.EPERM])
def test_a_refused_counter_tells_the_rule_that_mends_it(
    tree: FakeBoard, faults: Faults, clock: FakeClock, error: int
) -> None:
    x86(tree)
    reader = Rapl(tree.sysfs, io=faults.io, clock=clock)
    path = tree.sysfs / "class" / "powercap" / "intel-rapl:0" / "energy_uj"
    faults.errors[path] = [error]
    got = figures(reader)
    index = [c.name for c in reader.channels].index("package-0")
    assert got["package-0", "energy_j"] is None
    assert got["package-0/core", "energy_j"] == 0.0
    reason = reader.errors[index] or ""
    assert udev_rule("edge-rt") in reason
    assert "udevadm" in reason
    del faults.errors[path]
    assert figures(reader)["package-0", "energy_j"] == 0.0


@pytest.mark.parametrize(("watts", "counted"), [(60.0, True), (290.0, True), (1_073.0, False)])
def test_a_counter_that_jumps_is_no_power(
    tree: FakeBoard, clock: FakeClock, watts: float, counted: bool
) -> None:
    x86(tree)
    folder = tree.sysfs / "class" / "powercap" / "intel-rapl:0"
    limits = {"constraint_0_max_power_uw": 28_000_000, "constraint_1_power_limit_uw": 100_000_000}
    tree.write(folder, limits)
    reader = Rapl(tree.sysfs, clock=clock)
    figures(reader)
    clock.now += 1.0
    tree.rapl("intel-rapl:0", "package-0", 1_000_000 + round(watts * 1e6))
    got, at = figures(reader), [c.name for c in reader.channels].index("package-0")
    assert got["package-0", "power_w"] == (pytest.approx(watts) if counted else None)
    assert ("300 W is the most" in (reader.errors[at] or "")) == (not counted)
    assert got["package-0", "energy_j"] == (pytest.approx(watts) if counted else 0.0)
