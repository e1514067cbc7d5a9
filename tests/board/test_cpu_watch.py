"""The engine's core seconds and others' cores, told only where both looks say the same thing."""

from __future__ import annotations

import os
from typing import cast

import pytest

from edge_rt.board.meters import CpuWatch
from edge_rt.board.readers.cpu import CpuReader

ENGINE = 42


class Board:
    """Counters that run as the test says."""

    def __init__(self) -> None:
        self.now = 100.0
        self.board: float | None = 1000.0
        self.processes: dict[int, float] = {ENGINE: 50.0, 43: 7.0, os.getpid(): 20.0}
        self.watch = CpuWatch(cast(CpuReader, self), lambda: self.now)

    def board_s(self) -> float | None:
        return self.board

    def process_s(self, pid: int) -> float | None:
        return self.processes.get(pid)

    def live(self, seconds: float, engine: float, front: float, others: float) -> None:
        """`seconds` in which the parties use that many cores."""
        self.now += seconds
        self.processes[ENGINE] += engine * seconds
        self.processes[os.getpid()] += front * seconds
        assert self.board is not None
        self.board += (engine + front + others) * seconds


@pytest.fixture
def board() -> Board:
    board = Board()
    assert board.watch.look(ENGINE) is None  # nothing to compare with
    return board


@pytest.mark.parametrize("seconds", [0.2, 1.0, 30.0])
def test_the_engines_seconds_and_others_cores(board: Board, seconds: float) -> None:
    board.live(seconds, engine=1.5, front=0.1, others=0.75)
    assert board.watch.look(ENGINE) == pytest.approx((1.5 * seconds, 0.75))
    board.live(seconds, engine=0.0, front=0.1, others=0.0)
    assert board.watch.look(ENGINE) == pytest.approx((0.0, 0.0), abs=1e-9)


def test_counters_that_run_a_tick_apart_are_no_negative_cores(board: Board) -> None:
    board.live(0.2, engine=2.0, front=0.0, others=-0.05)
    assert board.watch.look(ENGINE) == pytest.approx((0.4, 0.0))


def test_another_engine_is_not_measured_by_the_last_ones_counters(board: Board) -> None:
    board.live(1.0, engine=1.0, front=0.0, others=0.0)
    assert board.watch.look(43) is None
    board.now += 1.0
    board.processes[43] += 0.5
    assert board.board is not None
    board.board += 0.5
    assert board.watch.look(43) == pytest.approx((0.5, 0.0))


@pytest.mark.parametrize("which", [ENGINE, os.getpid(), None], ids=["engine", "front", "none"])
def test_a_counter_that_went_back_tells_nothing_once(board: Board, which: int | None) -> None:
    board.live(1.0, engine=1.0, front=0.1, others=0.5)
    if which is None:
        board.board = 3.0
    else:
        board.processes[which] = 3.0
    assert board.watch.look(ENGINE) is None
    board.live(1.0, engine=1.0, front=0.1, others=0.5)
    assert board.watch.look(ENGINE) == pytest.approx((1.0, 0.5))


@pytest.mark.parametrize("which", [ENGINE, os.getpid(), None], ids=["engine", "front", "none"])
def test_what_cannot_be_read_is_not_0(board: Board, which: int | None) -> None:
    kept_board, kept = board.board, dict(board.processes)
    if which is None:
        board.board = None
    else:
        del board.processes[which]
    board.now += 1.0
    assert board.watch.look(ENGINE) is None
    board.board, board.processes = kept_board, kept
    board.now += 1.0
    assert board.watch.look(ENGINE) is None  # again nothing to compare with
    board.live(1.0, engine=1.0, front=0.1, others=0.5)
    assert board.watch.look(ENGINE) == pytest.approx((1.0, 0.5))


def test_without_an_engine_nothing_is_told(board: Board) -> None:
    board.live(1.0, engine=0.0, front=0.1, others=0.5)
    assert board.watch.look(None) is None
    board.live(1.0, engine=0.0, front=0.1, others=0.5)
    assert board.watch.look(ENGINE) is None


def test_two_looks_at_one_time_tell_nothing(board: Board) -> None:
    assert board.watch.look(ENGINE) is None
    board.live(0.2, engine=1.0, front=0.0, others=0.0)
    assert board.watch.look(ENGINE) == pytest.approx((0.2, 0.0), abs=1e-9)
