"""Undervoltage alarm and voltages."""

from __future__ import annotations

import pytest
from faults import figures
from trees import pi4

from edge_rt.board.readers.raspberry_pi import PiVolt
from edge_rt.testing.board import FakeBoard


def test_alarm_and_voltages(tree: FakeBoard) -> None:
    pi4(tree)
    got = figures(PiVolt(tree.sysfs))
    assert got["under_voltage_alarm", "flag"] == 1.0
    assert got["core", "voltage_v"] == pytest.approx(0.88)


def test_an_alarm_that_is_neither_on_nor_off_is_missing(tree: FakeBoard) -> None:
    pi4(tree)
    reader = PiVolt(tree.sysfs)
    alarm = next((tree.sysfs / "class" / "hwmon").glob("*/in0_lcrit_alarm"))
    alarm.write_text("2\n")
    assert figures(reader)["under_voltage_alarm", "flag"] is None
