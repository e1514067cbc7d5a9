"""The share of the processor that is busy."""

from __future__ import annotations

import os

import pytest
from faults import figures
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board.readers.cpu import CpuLoad
from edge_rt.testing.board import FakeBoard, FakeClock

TICKS = os.sysconf("SC_CLK_TCK")


def test_load_of_the_board(tree: FakeBoard, clock: FakeClock) -> None:
    tree.host(4)
    reader = CpuLoad(tree.proc, clock=clock)
    assert set(reader.read()) == {None}
    clock.now += 0.5
    tree.busy(1000 + TICKS)  # one second of CPU in half a second: two of four cores
    assert figures(reader)["cpu", "fraction"] == pytest.approx(0.5)


@given(busy=st.integers(0, 10**7), elapsed=st.floats(0.001, 100.0))
def test_a_fraction_stays_one(
    busy: int, elapsed: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("load")
    tree, clock = FakeBoard(root / "board"), FakeClock()
    tree.host(2)
    reader = CpuLoad(tree.proc, clock=clock)
    reader.read()
    clock.now += elapsed
    tree.busy(busy)
    assert 0.0 <= (reader.read()[0] or 0.0) <= 1.0
