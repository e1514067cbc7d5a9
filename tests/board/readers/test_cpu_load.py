"""Shares of the processor, of the board and of processes."""

from __future__ import annotations

import os

import pytest
from faults import figures
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board.readers.cpu import CpuLoad
from edge_rt.testing.board import FakeBoard, FakeClock

TICKS = os.sysconf("SC_CLK_TCK")


def test_load_of_the_board_and_of_a_process(tree: FakeBoard, clock: FakeClock) -> None:
    tree.host(4)
    tree.process(77, 500)
    reader = CpuLoad(tree.proc, {"engine": lambda: 77}, clock=clock)
    assert set(reader.read()) == {None}
    clock.now += 0.5
    tree.busy(1000 + TICKS)  # one second of CPU in half a second: two of four cores
    tree.process(77, 500 + TICKS // 2)
    got = figures(reader)
    assert got["cpu", "fraction"] == pytest.approx(0.5)
    assert got["cpu engine", "fraction"] == pytest.approx(0.25)


def test_a_process_that_is_started_again_is_followed(tree: FakeBoard, clock: FakeClock) -> None:
    tree.host(4)
    tree.process(77, 500)
    pid: list[int | None] = [77]
    reader = CpuLoad(tree.proc, {"engine": lambda: pid[0]}, clock=clock)
    reader.read()
    pid[0] = None
    assert figures(reader)["cpu engine", "fraction"] is None
    assert reader.errors[1] == "engine does not run"
    pid[0] = 78
    tree.process(78, 0)
    assert figures(reader)["cpu engine", "fraction"] is None  # one read is no rate
    clock.now += 1.0
    tree.process(78, TICKS)
    assert figures(reader)["cpu engine", "fraction"] == pytest.approx(0.25)


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
