"""The monitor at the board's input."""

from __future__ import annotations

import shutil

import pytest
from faults import figures
from trees import thor

from edge_rt.board.readers.rails import Ina238
from edge_rt.testing.board import FakeBoard


def test_the_input_monitor_multiplies_by_itself(tree: FakeBoard) -> None:
    thor(tree)
    got = figures(Ina238(tree.sysfs))
    assert got == {
        ("VIN", "power_w"): pytest.approx(20.0),
        ("VIN", "voltage_v"): pytest.approx(19.0),
        ("VIN", "current_a"): pytest.approx(1.052),
    }


def test_what_takes_the_number_of_a_removed_device_is_not_read(tree: FakeBoard) -> None:
    thor(tree)
    reader = Ina238(tree.sysfs)
    link = tree.sysfs / "class" / "hwmon" / "hwmon1"
    own = link.resolve()
    assert (own / "name").read_text() == "ina238\n"
    shutil.rmtree(own)
    link.unlink()
    link.symlink_to(tree.hwmon("other", {"in1_input": 5000, "curr1_input": 1, "power1_input": 1}))
    assert set(reader.read()) == {None}


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("power1_input", 0, "power_w is 0.00 W"),
        ("power1_input", 328_000_000, "19.00 V x 1.05 A are 19.99 W"),
        ("in1_input", 96_000, "voltage_v is 96 V"),
        ("curr1_input", 900_000, "current_a is 900 A"),
    ],
)
def test_what_cannot_be_is_no_power(tree: FakeBoard, file: str, content: int, told: str) -> None:
    thor(tree)
    (tree.sysfs / "class" / "hwmon" / "hwmon1" / file).write_text(f"{content}\n")
    reader = Ina238(tree.sysfs)
    assert figures(reader)["VIN", "power_w"] is None
    assert told in (reader.errors[0] or "")
