"""What an engine was doing is known to the very end."""

from __future__ import annotations

import mmap
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from edge_rt.engine.channel import Doing, Heartbeat

CHILD = """
import os, signal, sys
from edge_rt.engine.channel import Heartbeat
beat = Heartbeat(int(sys.argv[1]))
beat.note()
beat.note((7, 9), 40)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_is_noted_is_seen_and_counted() -> None:
    beat = Heartbeat()
    assert beat.doing == Doing(0, 0, frozenset())
    beat.note((3, 1 << 40), 128)
    assert beat.doing == Doing(1, 128, frozenset({3, 1 << 40}))
    beat.note()
    assert beat.doing == Doing(2, 0, frozenset())


def test_who_looks_while_it_is_noted_sees_nobody() -> None:
    """Rather than those of before beside some of the new ones."""
    beat = Heartbeat()
    beat.note((3, 4))
    seen: list[frozenset[int]] = []

    class Looked(tuple[int, ...]):
        def __iter__(self) -> Iterator[int]:
            for request in (5, 6):
                seen.append(beat.doing.requests)
                yield request

    beat.note(Looked((5, 6)))
    assert seen == [frozenset()] * 2
    assert beat.doing.requests == {5, 6}


def test_what_helpers_took_adds_up_whoever_counts_it_and_survives_notes() -> None:
    page = Heartbeat.shared()
    try:
        engine, front = Heartbeat(page), Heartbeat(page)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(engine.helped, [0.001] * 1000))
        engine.note((7, 9), 40)
        assert front.helped_s == pytest.approx(1.0)
        assert front.doing == Doing(1, 40, frozenset({7, 9}))
    finally:
        os.close(page)


def figures(page: int) -> tuple[int, ...]:
    """The words 3 to 7 as another process reads them."""
    return struct.unpack("=5Q", os.pread(page, 40, 24))


def test_passes_stand_where_a_simulated_board_looks_for_them() -> None:
    page = Heartbeat.shared()
    try:
        beat = Heartbeat(page)
        assert figures(page) == (0, 0, 0, 0, 0)
        beat.note((7,), 40)
        beat.pass_begins(12.5, 0.25)
        assert figures(page) == (2, 0, 0, 12_500_000, 250_000)
        beat.pass_is_over(2.0, 0.5)
        assert figures(page)[:4] == (4, 2_000_000, 500_000, 0)
        beat.pass_begins(13.0, 1.0)
        beat.note()  # it has failed
        assert figures(page)[:4] == (6, 2_000_000, 500_000, 0)
        assert beat.doing == Doing(2, 0, frozenset())
    finally:
        os.close(page)


def test_passes_on_a_gpu_are_known_while_they_are_under_way() -> None:
    beat = Heartbeat()
    beat.pass_begins(10.0, 0.5)
    assert beat.offloaded_s(10.5) == 0.5
    assert beat.offloaded_s(9.0) == 0.0
    beat.pass_is_over(2.0, 0.5, 1.0)
    beat.pass_begins(11.0, 0.0)
    assert beat.offloaded_s(12.0) == 1.0
    beat._words[3] += 1
    assert beat.offloaded_s(12.0) is None


def test_more_requests_than_there_is_room_for_are_left_out() -> None:
    beat = Heartbeat()
    beat.note(range(1, 10_000), 1)
    doing = beat.doing
    assert doing.requests == frozenset(range(1, len(doing.requests) + 1))
    assert 200 < len(doing.requests) < mmap.PAGESIZE // 8


def test_a_process_that_was_killed_has_told_what_it_did() -> None:
    page = Heartbeat.shared()
    try:
        beat = Heartbeat(page)
        argv = [sys.executable, "-c", CHILD, str(page)]
        ended = subprocess.run(argv, pass_fds=(page,), check=False)
    finally:
        os.close(page)
    assert ended.returncode == -signal.SIGKILL
    assert beat.doing == Doing(2, 40, frozenset({7, 9}))
