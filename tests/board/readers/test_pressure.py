"""Pressure over the window between two reads."""

from __future__ import annotations

import pytest
from faults import figures

from edge_rt.board.readers.cpu import Pressure
from edge_rt.testing.board import FakeBoard, FakeClock


def test_pressure_is_the_share_of_time_stalled(tree: FakeBoard, clock: FakeClock) -> None:
    tree.host()
    reader = Pressure(tree.proc, clock=clock)
    assert set(reader.read()) == {None}
    clock.now += 2.0
    tree.pressure("memory", 1_000_000, 500_000)
    got = figures(reader)
    assert got["pressure memory some", "fraction"] == pytest.approx(0.5)
    assert got["pressure memory full", "fraction"] == pytest.approx(0.25)
    assert got["pressure cpu some", "fraction"] == 0.0


def test_a_kernel_without_pressure(tree: FakeBoard) -> None:
    reader = Pressure(tree.proc)
    assert reader.channels == ()
    assert reader.skipped[0].name == "pressure"
