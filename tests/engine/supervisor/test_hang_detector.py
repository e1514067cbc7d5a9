"""An engine that hangs is ended, and one that is slow is not."""

from __future__ import annotations

import asyncio
import math
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_rt.engine.channel import Heartbeat
from edge_rt.engine.client import EngineClient
from edge_rt.engine.hang_detector import (
    BUSY_S,
    LOOK_S,
    MOST_S,
    REST_S,
    STILL_S,
    TIMES,
    HangDetector,
    Life,
    life,
)
from edge_rt.engine.process import ExitReason


class Engine:
    """Stands for client and process: each look lets LOOK_S pass, and `each` says what happens."""

    def __init__(self, each: Callable[[Engine], object], expected_s: float = 0.0) -> None:
        self.beat = Heartbeat()
        self.beat.note((3,), 1)
        self.owes = True
        self.life: Life | None = Life(1.0)
        self.looks = self.nudges = 0
        self.exit_reason: ExitReason | None = None
        self._each, self._expected_s = each, expected_s

    def watched(self, looks: int) -> ExitReason | None:
        """Return what it is terminated for within so many looks."""

        async def pause(seconds: float) -> None:
            assert seconds == (LOOK_S if client.owes else REST_S)
            if self.looks == looks:
                raise asyncio.CancelledError
            self.looks += 1
            self._each(self)

        client = SimpleNamespace(hello=SimpleNamespace(pid=42), termination=None, owes=True)
        vars(client).update(
            nudge=self._nudge, terminate=lambda exit_reason: self._terminate(client, exit_reason)
        )
        self._client = client
        hang_detector = HangDetector(
            lambda client, doing: self._expected_s, pause, lambda pid: self.life
        )

        async def run() -> None:
            with suppress(asyncio.CancelledError):
                await hang_detector.keep(cast(EngineClient, client), self.beat)

        asyncio.run(run())
        return self.exit_reason

    def _nudge(self) -> None:
        self.nudges += 1

    def _terminate(self, client: Any, exit_reason: ExitReason) -> None:
        client.termination = self.exit_reason = exit_reason


def nothing(engine: Engine) -> None:
    """It does nothing at all."""


def works(engine: Engine) -> None:
    assert engine.life is not None
    engine.life = engine.life._replace(cpu_s=engine.life.cpu_s + 0.01)


def test_one_that_does_nothing_is_ended_soon_and_its_requests_are_told() -> None:
    engine = Engine(nothing)
    exit_reason = engine.watched(1000)
    assert exit_reason is not None
    assert (exit_reason.requests, exit_reason.outside) == ({3}, False)
    assert "hung" in exit_reason.why
    assert STILL_S <= engine.looks * LOOK_S <= STILL_S + 2 * LOOK_S
    assert engine.nudges == 1  # it may just have had nothing to do


def test_one_that_is_stopped_from_outside_is_ended_and_that_is_told() -> None:
    engine = Engine(nothing)
    engine.life = Life(1.0, stopped=True)
    exit_reason = engine.watched(1000)
    assert exit_reason is not None
    assert exit_reason.outside


def test_one_that_is_stopped_is_ended_soon_whatever_it_was_at() -> None:
    engine = Engine(nothing, expected_s=math.inf)
    engine.life = Life(1.0, stopped=True)
    assert engine.watched(1000) is not None
    assert engine.looks * LOOK_S <= STILL_S + 2 * LOOK_S


def test_work_without_an_end_is_left_alone_until_it_stands_still() -> None:
    """As a load by a library that lets no other thread run."""
    assert Engine(works, math.inf).watched(10_000) is None
    engine = Engine(nothing, math.inf)
    assert engine.watched(1000) is not None
    assert engine.looks * LOOK_S == pytest.approx(STILL_S + MOST_S, abs=2 * LOOK_S)


def test_one_that_gets_on_is_left_alone() -> None:
    assert Engine(lambda engine: engine.beat.note()).watched(1000) is None


def test_one_that_owes_nothing_is_left_alone() -> None:
    def rests(engine: Engine) -> None:
        engine._client.owes = False

    engine = Engine(rests)
    assert engine.watched(1000) is None
    assert engine.nudges == 0


@pytest.mark.parametrize("expected_s", [0.0, 20.0])
def test_one_that_works_on_one_thing_has_a_multiple_of_what_that_is_to_take(
    expected_s: float,
) -> None:
    engine = Engine(works, expected_s)
    assert engine.watched(10_000) is not None
    assert engine.looks * LOOK_S == pytest.approx(BUSY_S + TIMES * expected_s, abs=2 * LOOK_S)


def test_one_that_waits_for_a_disk_is_at_work() -> None:
    engine = Engine(nothing)
    engine.life = Life(1.0, at_disk=True)
    assert engine.watched(round(BUSY_S / LOOK_S) - 1) is None


def test_a_long_pass_may_look_still_for_longer() -> None:
    """What a GPU computes takes nothing of the processor."""
    engine = Engine(nothing, expected_s=2.0)
    assert engine.watched(round((STILL_S + 4.0) / LOOK_S) - 1) is None


def test_one_that_is_gone_needs_no_end() -> None:
    engine = Engine(nothing)
    engine.life = None
    assert engine.watched(1000) is None


def test_the_life_of_a_process() -> None:
    own = life(os.getpid())
    assert own is not None
    assert own.cpu_s > 0.0
    assert not own.stopped
    assert life(1 << 30) is None


def test_a_process_that_was_stopped_is_seen_to_be_and_one_that_is_gone_is_not_there() -> None:
    begun, began = os.pipe()
    child = os.fork()
    if not child:
        Path("/proc/self/comm").write_text("a) T 1 (b")  # a name may look like anything
        while os.times().user < 0.1:
            pass
        os.write(began, b".")
        signal.pause()
    try:
        os.read(begun, 1)
        running = life(child)
        assert running is not None
        assert (running.stopped, running.cpu_s >= 0.1) == (False, True)
        os.kill(child, signal.SIGSTOP)
        os.waitpid(child, os.WUNTRACED)
        stopped = life(child)
        assert stopped is not None
        assert stopped.stopped
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(begun)
        os.close(began)
    assert life(child) is None
