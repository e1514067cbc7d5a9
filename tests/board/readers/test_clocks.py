"""Clocks of the processor and of other devices."""

from __future__ import annotations

import pytest
from faults import figures
from trees import agx_orin

from edge_rt.board.readers.clocks import CpuFreq, DevFreq
from edge_rt.testing.board import FakeBoard


def test_clocks(tree: FakeBoard) -> None:
    agx_orin(tree)
    reader = CpuFreq(tree.sysfs)
    got = figures(reader)
    assert got["policy4", "clock_hz"] == pytest.approx(1_100_800_000)
    assert got["policy4 max", "clock_hz"] == pytest.approx(2_201_600_000)
    assert reader.policies[1].cpus == (4, 5, 6, 7)
    assert reader.policies[1].hardware_max_hz == pytest.approx(2_201_600_000)
    assert figures(DevFreq(tree.sysfs)) == {("17000000.gpu", "clock_hz"): 306_000_000}
