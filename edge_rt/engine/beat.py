"""What the engine does at the moment, in memory that the front sees even once it is gone."""

from __future__ import annotations

import faulthandler
import mmap
import os
from collections.abc import Collection
from typing import NamedTuple

_WORDS = mmap.PAGESIZE // 8
_HEAD = 3  # how often it changed, tokens, requests


class Doing(NamedTuple):
    """`turn` is another one whenever the engine has begun with something.

    It is at work for `requests`, as long as a model takes to read so many `tokens`.
    """

    turn: int
    tokens: int
    requests: frozenset[int]


class Beat:
    """Two pages of memory: the engine notes what it begins, and the front reads it.

    That costs neither side a message, and is true up to the very end of an engine that is killed.
    """

    def __init__(self, fd: int = -1) -> None:
        """`fd` is that of `shared`; without one, the memory is this process's own."""
        memory = memoryview(mmap.mmap(fd, 2 * mmap.PAGESIZE))
        self._words = memory[: mmap.PAGESIZE].cast("Q")
        self._trace = memory[mmap.PAGESIZE :]

    @staticmethod
    def shared() -> int:
        """A descriptor of new memory, for this process and a child of it."""
        fd = os.memfd_create("edge_rt engine")
        os.ftruncate(fd, 2 * mmap.PAGESIZE)
        return fd

    @staticmethod
    def trace_crashes(fd: int) -> None:
        """Have the second page get the Python stack of a thread that crashes this process."""
        os.lseek(fd, mmap.PAGESIZE, os.SEEK_SET)
        faulthandler.enable(fd, all_threads=False)

    @property
    def trace(self) -> str:
        """The stack of the thread that crashed; empty where none did, or nothing traced it.

        A native thread has no Python frames.
        """
        return bytes(self._trace).partition(b"\0")[0].decode(errors="replace")

    def note(self, requests: Collection[int] = (), tokens: int = 0) -> None:
        """Say what begins."""
        words = self._words
        words[2] = 0  # whoever looks in between sees nobody rather than the wrong ones
        end = _HEAD
        for request in requests:
            if end == _WORDS:
                break
            words[end] = request
            end += 1
        words[1] = tokens
        words[2] = end - _HEAD
        words[0] += 1

    @property
    def doing(self) -> Doing:
        """What was noted last."""
        words = self._words
        end = _HEAD + min(words[2], _WORDS - _HEAD)
        return Doing(words[0], words[1], frozenset(words[_HEAD:end]))
