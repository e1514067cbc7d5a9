"""What engines have read stays in memory that the front holds, or they do without."""

from __future__ import annotations

import errno
import logging
import os
import resource
from collections.abc import Generator
from pathlib import Path

import pytest

from edge_rt.engine.kv.checkpoints import Checkpoints
from edge_rt.engine.process import CheckpointMemory

MB = 1 << 20


@pytest.fixture
def memory() -> Generator[CheckpointMemory]:
    memory = CheckpointMemory(MB)
    yield memory
    memory.close()


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def put(memory: CheckpointMemory, size: int) -> None:
    Checkpoints(memory.fd).put(None, b"k" * 32, [1, 2], bytes(size))


def test_every_engine_gets_the_same_until_it_is_given_back(memory: CheckpointMemory) -> None:
    before = open_files()
    fd = memory.fd
    assert memory.fd == fd >= 0
    memory.close()
    memory.close()
    assert open_files() == before


def test_what_is_written_is_no_longer_left(memory: CheckpointMemory) -> None:
    """Beside it there may be a copy of as much."""
    assert memory.left_bytes == 2 * MB
    put(memory, 400_000)
    assert 2 * MB - 420_000 < memory.left_bytes < 2 * MB - 400_000
    memory.clear()
    assert memory.left_bytes == 2 * MB
    assert not list(Checkpoints(memory.fd).orphans(b"k" * 32))


def test_there_may_be_none() -> None:
    memory = CheckpointMemory()
    assert (memory.fd, memory.left_bytes) == (-1, 0)
    memory.clear()
    memory.close()


def test_where_it_cannot_be_had_engines_do_without(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Another engine each second is no reason to say it again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before, memory = open_files(), CheckpointMemory(256 * MB)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, hard))
    try:
        with caplog.at_level(logging.WARNING):
            assert [memory.fd, memory.fd] == [-1, -1]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caplog.text.count(os.strerror(errno.EFBIG)) == 1
    assert memory.left_bytes == 0
    memory.close()
    assert open_files() == before


def test_what_cannot_be_forgotten_is_replaced(
    memory: CheckpointMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(memory, 400_000)

    def fail(fd: int, size: int) -> None:
        raise OSError("no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", fail)
        memory.clear()
    assert not list(Checkpoints(memory.fd).orphans(b"k" * 32))
