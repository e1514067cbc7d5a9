"""Throttle flags, from the kernel's copy or the firmware."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults import figures
from hypothesis import given
from hypothesis import strategies as st
from told import Told
from trees import pi5

from edge_rt.board.readers.raspberry_pi import PiThrottled
from edge_rt.board.readers.raspberry_pi import parse_flags as parse_flags
from edge_rt.testing.board import FakeBoard


@pytest.mark.parametrize("text", ["throttled=0x50005\n", "50005", "0x50005"])
def test_flags_by_bit(text: str) -> None:
    assert parse_flags(text) == 0x50005


@given(st.integers(0, (1 << 20) - 1))
def test_flags_from_firmware(bits: int) -> None:
    got = figures(PiThrottled(Path("/nowhere"), Told(f"throttled={bits:#x}")))
    expected = {0: "under_voltage", 1: "frequency_capped", 2: "throttled"}
    for bit, name in (expected | {3: "soft_temperature_limit"}).items():
        assert got[name, "flag"] == bits >> bit & 1
        assert got[f"{name}_occurred", "flag"] == bits >> (bit + 16) & 1


def test_the_kernels_copy_of_the_flags_is_preferred(tree: FakeBoard) -> None:
    pi5(tree)
    firmware = Told("throttled=0x0")
    got = figures(PiThrottled(tree.sysfs, firmware))
    assert firmware.asked == []
    assert got["under_voltage", "flag"] == 1.0
    assert got["frequency_capped", "flag"] == 0.0


def test_no_flags_anywhere(tree: FakeBoard) -> None:
    assert PiThrottled(tree.sysfs).channels == ()
    assert PiThrottled(tree.sysfs).skipped[0].name == "pi-throttled"
