"""What an engine was doing is known to the very end."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys

from edge_rt.engine.beat import Beat, Doing

CHILD = """
import os, signal, sys
from edge_rt.engine.beat import Beat
beat = Beat(int(sys.argv[1]))
beat.note()
beat.note((7, 9), 40)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_is_noted_is_seen_and_counted() -> None:
    beat = Beat()
    assert beat.doing == Doing(0, 0, frozenset())
    beat.note((3, 1 << 40), 128)
    assert beat.doing == Doing(1, 128, frozenset({3, 1 << 40}))
    beat.note()
    assert beat.doing == Doing(2, 0, frozenset())


def test_more_requests_than_there_is_room_for_are_left_out() -> None:
    beat = Beat()
    beat.note(range(1, 10_000), 1)
    doing = beat.doing
    assert doing.requests == frozenset(range(1, len(doing.requests) + 1))
    assert 200 < len(doing.requests) < mmap.PAGESIZE // 8


def test_a_process_that_was_killed_has_told_what_it_did() -> None:
    page = Beat.shared()
    try:
        beat = Beat(page)
        argv = [sys.executable, "-c", CHILD, str(page)]
        ended = subprocess.run(argv, pass_fds=(page,), check=False)
    finally:
        os.close(page)
    assert ended.returncode == -signal.SIGKILL
    assert beat.doing == Doing(2, 40, frozenset({7, 9}))
