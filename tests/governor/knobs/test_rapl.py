"""The long-term limit of packages is set, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_rt.governor.knobs.knob import KnobError, rapl_knob, rapl_targets
from edge_rt.testing.board import FakeBoard


def package(tree: FakeBoard, zone: str, name: str, **files: object) -> Path:
    folder = tree.rapl(zone, name, 0)
    limits = {"constraint_0_name": "long_term", "constraint_0_power_limit_uw": 15_000_000}
    limits |= {"constraint_1_name": "short_term", "constraint_1_power_limit_uw": 30_000_000}
    return tree.write(folder, limits | {"enabled": 1} | files)


def test_each_package_gets_the_long_term_limit(tree: FakeBoard) -> None:
    zones = [package(tree, f"intel-rapl:{n}", f"package-{n}") for n in range(2)]
    package(tree, "intel-rapl:0:0", "core")
    package(tree, "intel-rapl:2", "psys")
    package(tree, "intel-rapl-mmio:0", "package-0")
    targets = rapl_targets(tree.sysfs, 9.5)
    limits = [zone / "constraint_0_power_limit_uw" for zone in zones]
    assert [target.knob.name for target in targets] == [str(path) for path in limits]
    for target in targets:
        target.knob.write(target.value)
    assert [path.read_text() for path in limits] == ["9500000\n"] * 2


def test_the_constraint_is_found_by_its_name(tree: FakeBoard) -> None:
    swapped = {"constraint_0_name": "peak_power", "constraint_1_name": "long_term"}
    zone = package(tree, "intel-rapl:0", "package-0", **swapped)
    [target] = rapl_targets(tree.sysfs, 10)
    assert target.knob.name == str(zone / "constraint_1_power_limit_uw")
    assert target.knob.read() == 30_000_000


def test_a_zone_that_is_switched_off_says_so(tree: FakeBoard) -> None:
    package(tree, "intel-rapl:0", "package-0", enabled=0)
    with pytest.raises(KnobError, match=r"write 1 to .*/enabled first"):
        rapl_targets(tree.sysfs, 10)


def test_a_board_without_limits_says_so(tree: FakeBoard) -> None:
    tree.rapl("intel-rapl:0", "package-0", 0)
    with pytest.raises(KnobError, match="no package with a long_term limit"):
        rapl_targets(tree.sysfs, 10)


def test_the_journal_finds_it_again(tree: FakeBoard) -> None:
    package(tree, "intel-rapl:0", "package-0")
    [target] = rapl_targets(tree.sysfs, 10)
    again = rapl_knob(target.knob.name)
    assert again is not None
    assert again.read() == 15_000_000
    assert rapl_knob(target.knob.name.replace("power_limit_uw", "time_window_us")) is None
