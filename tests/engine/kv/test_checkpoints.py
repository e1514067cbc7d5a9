"""States of sequences stay in memory when an engine is killed, whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator

import pytest

from edge_rt.engine.kv.checkpoints import Checkpoints

MB = 1 << 20
KEY, OTHER = b"k" * 32, b"o" * 32
CHILD = """
import sys
from edge_rt.engine.kv.checkpoints import Checkpoints
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
    assert checkpoints.state(kept) == b"new"
    [found] = Checkpoints(memory).orphans(KEY)
    assert found.tokens == [1, 2, 3]


def test_the_pages_of_a_larger_one_count_until_it_is_dropped(memory: int) -> None:
    checkpoints = Checkpoints(memory)
    kept = checkpoints.put(None, KEY, [1, 2], bytes(400_000))
    checkpoints.put(kept, KEY, [1], bytes(100))
    assert checkpoints.used_bytes >= 400_000
    assert not checkpoints.fits(None, 1, 700_000)


def test_memory_is_given_back(memory: int) -> None:
    checkpoints = Checkpoints(memory)
    kept = [checkpoints.put(None, KEY, [1], bytes(200_000)) for _ in range(3)]
    assert taken(memory) >= 600_000
    for one in kept:
        checkpoints.drop(one)
    assert taken(memory) == checkpoints.used_bytes == 0
    assert not list(Checkpoints(memory).orphans(KEY))


def test_no_more_is_taken_than_there_may_be(memory: int) -> None:
    checkpoints = Checkpoints(memory)
    assert not checkpoints.fits(None, 1, MB)
    assert checkpoints.fits(None, 1, 700_000)
    kept = checkpoints.put(None, KEY, [1], bytes(700_000))
    assert not checkpoints.fits(None, 1, 700_000)
    assert checkpoints.fits(kept, 2, 800_000)  # in its place
    assert checkpoints.fits(None, 1, 300_000)
    assert not checkpoints.fits(None, 100_000, 200_000)  # tokens count as well


def test_what_nobody_came_for_makes_room_that_of_others_first(memory: int) -> None:
    before = Checkpoints(memory)
    for token, key in enumerate((KEY, OTHER, OTHER, KEY)):
        before.put(None, key, [token], bytes(200_000))
    after = Checkpoints(memory)
    after.put(None, KEY, [7], bytes(600_000))
    assert [len(list(after.orphans(key))) for key in (KEY, OTHER)] == [2, 0]
    assert taken(memory) <= MB
    after.drop_orphans()
    assert 600_000 < taken(memory) < 610_000
    assert not after.orphaned
    assert [len(list(after.orphans(key))) for key in (KEY, OTHER)] == [0, 0]


def test_there_are_not_places_for_any_number(memory: int) -> None:
    checkpoints, count = Checkpoints(memory), 0
    while checkpoints.fits(None, 1, 1):
        kept = checkpoints.put(None, KEY, [count], b"x")
        count += 1
    assert 16 < count < 1000
    assert checkpoints.fits(kept, 1, 1)
    after = Checkpoints(memory)
    assert after.fits(None, 1, 1)
    after.put(None, KEY, [0], b"x")
    assert len(list(after.orphans(KEY))) == count - 1


def test_all_can_be_forgotten(memory: int) -> None:
    Checkpoints(memory).put(None, KEY, [1], bytes(300_000))
    Checkpoints.clear(memory)
    assert taken(memory) == 0
    after = Checkpoints(memory)
    assert not list(after.orphans(KEY))
    after.put(None, KEY, [1], bytes(300_000))
    assert taken(memory) >= 300_000


def test_what_could_not_be_written_is_not_found(
    memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it take memory."""
    checkpoints = Checkpoints(memory)
    kept = checkpoints.put(None, KEY, [1, 2], bytes(300_000))
    write = os.pwritev

    def cut(fd: int, parts: list[bytes], begin: int) -> int:
        return write(fd, [part[: len(part) // 2] for part in parts], begin)

    monkeypatch.setattr(os, "pwritev", cut)
    with pytest.raises(OSError, match="could be written"):
        checkpoints.put(kept, KEY, [1, 2, 3], bytes(400_000))
    assert taken(memory) == checkpoints.used_bytes == 0
    assert not list(Checkpoints(memory).orphans(KEY))


def test_a_kill_leaves_it_whole_or_nothing(memory: int) -> None:
    """And no memory that is not accounted for."""
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
        orphans = list(checkpoints.orphans(KEY))
        for one in orphans:
            length = len(one.tokens)
            assert one.tokens == list(range(length))
            assert checkpoints.state(one) == bytes([length % 251]) * (100 * length)
            found += 1
        if not orphans:
            assert taken(memory) == 0
        checkpoints.drop_orphans()
        assert taken(memory) == 0
    assert found > 0


def test_a_process_with_little_address_space_can_give_it_back() -> None:
    """The most that there may be is far more than there is."""
    script = """
import os, resource
from edge_rt.engine.kv.checkpoints import Checkpoints
fd = Checkpoints.shared(1 << 30)
checkpoints = Checkpoints(fd)
kept = [checkpoints.put(None, b"k" * 32, [1], bytes(9_000_000)) for _ in range(2)]
size = 4096 * int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (size + (16 << 20),) * 2)
checkpoints.drop(kept[0])
os.pwrite(fd, bytes(48), kept[1].place * (1 << 30))
Checkpoints(fd)
assert os.fstat(fd).st_blocks == 0, os.fstat(fd)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_what_a_kill_cut_short_takes_no_memory(memory: int) -> None:
    Checkpoints(memory).put(None, KEY, [1], bytes(300_000))
    os.pwrite(memory, bytes(48), 0)  # as it is while another one is written there
    assert taken(memory) >= 300_000
    Checkpoints(memory)
    assert taken(memory) == 0
