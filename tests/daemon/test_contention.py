"""The engine is told of fewer cores when others use them, and only then."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_rt.daemon.contention import PERIOD_S, Contention
from edge_rt.daemon.supervisor import Supervisor
from edge_rt.governor.threads import ThreadChooser
from edge_rt.sensors.cpu import CpuReader


class Board:
    """A board of two cores whose counters run as the test says."""

    def __init__(self) -> None:
        self.now = self.board = self.engine = self.front = 0.0
        self.told: list[int] = []
        self.missing = False
        self.lost = asyncio.Event()
        client = SimpleNamespace(lost=self.lost, set_limits=self.told.append)
        self.supervisor = SimpleNamespace(pid=42, current=client)
        self.chooser = ThreadChooser(2)

    def board_s(self) -> float | None:
        return None if self.missing else self.board

    def process_s(self, pid: int) -> float | None:
        return {42: self.engine, 43: self.engine, os.getpid(): self.front}[pid]

    def live(self, others: float, engine: float = 0.0, front: float = 0.0) -> None:
        """One period in which the parties use that many cores."""
        self.now += PERIOD_S
        self.engine += engine * PERIOD_S
        self.front += front * PERIOD_S
        self.board += (others + engine + front) * PERIOD_S

    def watch(self, *periods: Any) -> list[int]:
        """Look at each of `periods`; callables are other things that happen."""
        script = iter(periods)

        async def pause(seconds: float) -> None:
            assert seconds == PERIOD_S
            period = next(script, None)
            if period is None:
                raise asyncio.CancelledError
            if callable(period):
                period()
                self.live(0.0)
            else:
                self.live(*period)

        contention = Contention(
            cast(Supervisor, self.supervisor),
            self.chooser,
            cast(CpuReader, self),
            clock=lambda: self.now,
            pause=pause,
        )
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(contention.run())
        return self.told


def test_a_hog_takes_a_thread_away_and_gives_it_back() -> None:
    assert Board().watch(*[(1.0,)] * 5, *[(0.0,)] * 5) == [1, 2]


def test_the_engines_own_work_and_ours_is_no_contention() -> None:
    assert Board().watch(*[(0.0, 1.2, 0.8)] * 10) == []


def test_a_hog_beside_a_busy_engine() -> None:
    assert Board().watch(*[(0.9, 1.0, 0.1)] * 10) == [1]


def test_nothing_is_done_without_readings() -> None:
    board = Board()
    board.missing = True
    assert board.watch(*[(2.0,)] * 10) == []
    assert board.chooser.threads == 2


def test_another_engine_is_not_measured_by_the_last_ones_counters() -> None:
    board = Board()

    def swap() -> None:
        board.supervisor.pid = 43
        board.engine = 0.0  # its counter starts anew: the difference would look like others' work

    # One reading of a hog, and a swap that must not pass for the second.
    assert board.watch((0.0, 2.0), (1.0, 1.0), swap, (0.0, 2.0), (0.0, 2.0)) == []


def test_without_an_engine_nothing_is_told() -> None:
    board = Board()

    def die() -> None:
        board.supervisor.pid = board.supervisor.current = None

    assert board.watch((0.0,), die, (2.0,), (2.0,), (2.0,)) == []


def test_a_lost_engine_is_not_told_but_the_next_one_will_be() -> None:
    board = Board()
    board.lost.set()
    assert board.watch(*[(1.0,)] * 5) == []
    assert board.chooser.threads == 1
