"""What answers under way have read, in memory that outlives the engine."""

from __future__ import annotations

import errno
import mmap
import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

SHARE = 1 / 200
READING_SHARE = 1 / 50  # of the time in which only prompts are read, and no stream waits
BURST_S = 0.1
_PLACES = 64
_KEY = 32  # bytes
_FRONT = struct.Struct(f"<QQ{_KEY}s")  # bytes of the tokens and of the state, and its key
_TOKEN = array("i").itemsize  # bytes
_WINDOW = 4 << 20  # bytes that are mapped at once: a process may have a limit


class Spare:
    """A `SHARE` of the time, of which BURST_S at most are saved up.

    Of the time in which only prompts are read it is READING_SHARE.
    """

    def __init__(self) -> None:
        self._left_s = BURST_S
        self._seen_s: float | None = None

    def left(self, now: float) -> bool:
        """Return whether there is any; `now` is the clock's reading in seconds."""
        if self._seen_s is not None:
            self._left_s = min(BURST_S, self._left_s + (now - self._seen_s) * SHARE)
        self._seen_s = now
        return self._left_s > 0.0

    def read(self, seconds: float) -> None:
        """Add the larger share of `seconds` in which only prompts were read."""
        more_s = seconds * (READING_SHARE - SHARE)
        self._left_s = min(BURST_S, self._left_s + more_s)

    def spend(self, seconds: float) -> None:
        """Count seconds that were spent."""
        self._left_s -= seconds


@dataclass(eq=False)
class Checkpoint:
    """A state of a sequence that held `tokens`, of `size` bytes.

    `key` tells all else that shapes it. An earlier engine left an `orphan`.
    """

    place: int
    key: bytes
    tokens: list[int]
    size: int
    orphan: bool = False


class Checkpoints:
    """States of sequences, which the next engine finds when this one is killed.

    Each has a place in memory that exists only where it was written. What a kill cuts short is not
    found. Methods raise OSError.
    """

    def __init__(self, fd: int) -> None:
        """`fd` is that of `shared`, which may hold checkpoints of an earlier engine."""
        self.spare = Spare()  # the time that may go into them, whoever puts them there
        self._fd = fd
        self._stride = os.fstat(fd).st_size // _PLACES
        self._held: dict[int, Checkpoint] = {}
        for place in range(_PLACES):
            found = self._read(place)
            if found is None:
                self._empty(place)  # a kill may have cut something short
            else:
                self._held[place] = found

    @staticmethod
    def shared(most_bytes: int) -> int:
        """Return a descriptor of new memory for this process and its children.

        It holds `most_bytes` at most.
        """
        fd = os.memfd_create("edge_rt checkpoints")
        try:
            os.ftruncate(fd, _PLACES * max(1, most_bytes // mmap.PAGESIZE) * mmap.PAGESIZE)
        except OSError:
            os.close(fd)
            raise
        return fd

    @staticmethod
    def clear(fd: int) -> None:
        """Forget all that is there, which no engine may have open."""
        size = os.fstat(fd).st_size
        os.ftruncate(fd, 0)
        os.ftruncate(fd, size)

    @property
    def used_bytes(self) -> int:
        """What all of them take."""
        return sum(one.size for one in self._held.values())

    @property
    def orphaned(self) -> bool:
        """Whether there are any that earlier engines left."""
        return any(one.orphan for one in self._held.values())

    def orphans(self, key: bytes) -> Iterator[Checkpoint]:
        """Return the checkpoints that earlier engines left under `key`."""
        return (one for one in self._held.values() if one.orphan and one.key == key)

    def fits(self, old: Checkpoint | None, tokens: int, state_bytes: int) -> bool:
        """Return whether a state of so many tokens and bytes can be put in place of `old`.

        Orphans make room.
        """
        others = [one for one in self._held.values() if one is not old and not one.orphan]
        size = _size(tokens, state_bytes)
        taken = sum(one.size for one in others)
        return len(others) < _PLACES and taken + size <= self._stride

    def put(
        self, old: Checkpoint | None, key: bytes, tokens: Sequence[int], state: bytes | bytearray
    ) -> Checkpoint:
        """Keep a state that `fits`, in place of `old`, which is gone then even if that fails."""
        self._make_room(old, key, _size(len(tokens), len(state)))
        taken = self._held
        place = next(p for p in range(_PLACES) if p not in taken) if old is None else old.place
        begin, said = place * self._stride, array("i", tokens).tobytes()
        try:
            os.pwrite(self._fd, bytes(_FRONT.size), begin)  # nothing, until it is whole
            written = os.pwritev(self._fd, [said, state], begin + _FRONT.size)
            if written != len(said) + len(state):
                raise OSError(f"only {written} bytes could be written")
            os.pwrite(self._fd, _FRONT.pack(len(said), len(state), key), begin)
        except OSError:
            self._held.pop(place, None)
            with suppress(OSError):
                self._empty(place)
            raise
        size = _size(len(tokens), len(state))
        size = size if old is None else max(size, old.size)
        self._held[place] = Checkpoint(place, key, list(tokens), size)
        return self._held[place]

    def state(self, checkpoint: Checkpoint) -> bytearray:
        """Return what was put there."""
        begin = checkpoint.place * self._stride
        said, size, _ = _FRONT.unpack(os.pread(self._fd, _FRONT.size, begin))
        state = bytearray(size)
        os.preadv(self._fd, [state], begin + _FRONT.size + said)
        return state

    def drop(self, checkpoint: Checkpoint) -> None:
        """Forget it."""
        del self._held[checkpoint.place]
        self._empty(checkpoint.place)

    def drop_orphans(self) -> None:
        """Forget what earlier engines left, whatever comes of that."""
        for one in [one for one in self._held.values() if one.orphan]:
            with suppress(OSError):
                self.drop(one)

    def _make_room(self, old: Checkpoint | None, key: bytes, size: int) -> None:
        """Drop orphans as far as need be, those of other keys first."""
        orphans = [one for one in self._held.values() if one.orphan and one is not old]
        orphans.sort(key=lambda one: one.key != key)
        kept = self.used_bytes - (0 if old is None else old.size)
        while orphans and (
            kept + size > self._stride or (old is None and len(self._held) == _PLACES)
        ):
            kept -= orphans[-1].size
            self.drop(orphans.pop())

    def _read(self, place: int) -> Checkpoint | None:
        begin = place * self._stride
        said, state, key = _FRONT.unpack(os.pread(self._fd, _FRONT.size, begin))
        if not said:
            return None
        tokens = array("i", os.pread(self._fd, said, begin + _FRONT.size)).tolist()
        return Checkpoint(place, key, tokens, _size(len(tokens), state), orphan=True)

    def _empty(self, place: int) -> None:
        at, end = place * self._stride, (place + 1) * self._stride
        while (at := self._written(at)) < end:
            size = min(_WINDOW, end - at)
            with mmap.mmap(self._fd, size, offset=at) as gone:
                gone.madvise(mmap.MADV_REMOVE)
            at += size

    def _written(self, begin: int) -> int:
        """Return the first place from `begin` on that has memory; the end where none has."""
        try:
            return os.lseek(self._fd, begin, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return _PLACES * self._stride


class Keyed(NamedTuple):
    """Where states of a model are kept, and under which key: see `state_key`."""

    checkpoints: Checkpoints
    key: bytes


def _size(tokens: int, state_bytes: int) -> int:
    return _FRONT.size + _TOKEN * tokens + state_bytes
