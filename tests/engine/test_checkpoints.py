"""States of sequences stay in memory when an engine is killed, whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator

import pytest

from edge_rt.engine.checkpoints import Checkpoints

MB = 1 << 20
KEY, OTHER = b"k" * 32, b"o" * 32
CHILD = """
import sys
from edge_rt.engine.checkpoints import Checkpoints
checkpoints, kept, length = Checkpoints(int(sys.argv[1])), None, 1
while True:
    length = length % 3000 + 7
    tokens = list(range(length))
    kept = checkpoints.put(kept, b"k" * 32, tokens, bytes([length % 251]) * (100 * length))
    if length == 8:
        print(flush=True)
"""


@pytest.fixture
def memory() -> Generator[int]:
    fd = Checkpoints.shared(MB)
    yield fd
    os.close(fd)


def taken(memory: int) -> int:
    """Bytes that there are."""
    return os.fstat(memory).st_blocks * 512


def test_the_next_engine_finds_what_was_put(memory: int) -> None:
    before = Checkpoints(memory)
    for place, key in enumerate((KEY, KEY, OTHER)):
        before.put(None, key, [place, 8, 9], bytes([place]) * 50_000)
    assert not list(before.orphans(KEY))  # they are its own
    after = Checkpoints(memory)
    found = list(after.orphans(KEY))
    assert [one.tokens for one in found] == [[0, 8, 9], [1, 8, 9]]
    assert [after.state(one) for one in found] == [b"\0" * 50_000, b"\1" * 50_000]
    assert after.used_bytes == before.used_bytes > 150_000


def test_one_takes_the_place_of_another(memory: int) -> None:
    checkpoints = Checkpoints(memory)
    kept = checkpoints.put(None, KEY, [1, 2], b"old" * 9)
    kept = checkpoints.put(kept, KEY, [1, 2, 3], b"new")
    assert kept is not None
    assert checkpoints.state(kept) == b"new"
    [found] = Checkpoints(memory).orphans(KEY)
    assert found.tokens == [1, 2, 3]


def test_memory_is_given_back(memory: int) -> None:
    checkpoints = Checkpoints(memory)
    kept = [checkpoints.put(None, KEY, [1], bytes(300_000)) for _ in range(3)]
    assert taken(memory) >= 900_000
    for one in kept:
        assert one is not None
        checkpoints.drop(one)
    assert taken(memory) == checkpoints.used_bytes == 0
    assert not list(Checkpoints(memory).orphans(KEY))


def test_no_more_is_taken_than_there_may_be(memory: int) -> None:
    checkpoints = Checkpoints(memory)
    kept = checkpoints.put(None, KEY, [1], bytes(600_000))
    assert checkpoints.put(None, KEY, [2], bytes(600_000)) is None
    assert checkpoints.put(kept, KEY, [1, 2], bytes(2 * MB)) is None
    assert taken(memory) == checkpoints.used_bytes == 0  # what is old is of no use either


def test_what_nobody_came_for_makes_room(memory: int) -> None:
    before = Checkpoints(memory)
    for token in range(3):
        before.put(None, OTHER, [token], bytes(300_000))
    after = Checkpoints(memory)
    assert after.put(None, KEY, [7], bytes(500_000)) is not None
    assert len(list(after.orphans(OTHER))) == 1
    assert taken(memory) <= MB


def test_there_are_not_places_for_any_number(memory: int) -> None:
    checkpoints = Checkpoints(memory)
    kept = [checkpoints.put(None, KEY, [token], b"x") for token in range(100)]
    assert 0 < sum(one is not None for one in kept) < 100
    after = Checkpoints(memory)
    assert after.put(None, KEY, [100], b"x") is not None


def test_without_memory_nothing_is_kept() -> None:
    memory = Checkpoints.shared(0)
    try:
        checkpoints = Checkpoints(memory)
        assert checkpoints.put(None, KEY, [1], b"x") is None
        assert not list(Checkpoints(memory).orphans(KEY))
    finally:
        os.close(memory)


def test_all_can_be_forgotten(memory: int) -> None:
    Checkpoints(memory).put(None, KEY, [1], bytes(300_000))
    Checkpoints.clear(memory)
    assert taken(memory) == 0
    after = Checkpoints(memory)
    assert not list(after.orphans(KEY))
    assert after.put(None, KEY, [1], bytes(300_000)) is not None


def test_what_could_not_be_written_is_not_found(
    memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(memory)
    kept = checkpoints.put(None, KEY, [1, 2], b"old")
    monkeypatch.setattr(os, "pwritev", lambda *args: 3)
    with pytest.raises(OSError, match="3 bytes"):
        checkpoints.put(kept, KEY, [1, 2, 3], b"new")
    assert not list(Checkpoints(memory).orphans(KEY))


def test_a_kill_leaves_it_whole_or_nothing(memory: int) -> None:
    found = 0
    for turn in range(12):
        argv = [sys.executable, "-c", CHILD, str(memory)]
        child = subprocess.Popen(argv, pass_fds=(memory,), stdout=subprocess.PIPE)
        assert child.stdout is not None
        with child, child.stdout:
            child.stdout.readline()
            time.sleep(0.003 * turn)
            child.send_signal(signal.SIGKILL)
        checkpoints = Checkpoints(memory)
        for one in checkpoints.orphans(KEY):
            length = len(one.tokens)
            assert one.tokens == list(range(length))
            assert checkpoints.state(one) == bytes([length % 251]) * (100 * length)
            found += 1
        Checkpoints.clear(memory)
    assert found > 0
