"""Temperatures and throttle counts of x86."""

from __future__ import annotations

import pytest
from faults import figures
from trees import x86

from edge_rt.board.readers.heat import HwmonTemp, ThermalThrottle
from edge_rt.testing.board import FakeBoard


def test_x86_temperatures_and_throttle_counts(tree: FakeBoard) -> None:
    x86(tree)
    assert figures(HwmonTemp(tree.sysfs))["coretemp Package id 0", "temp_c"] == pytest.approx(52)
    assert figures(ThermalThrottle(tree.sysfs)) == {
        ("package-0 throttled", "count"): 7.0,
    }
