"""What answers under way have read, in memory that outlives the engine."""

from __future__ import annotations

import mmap
import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_PLACES = 64
_KEY = 32  # bytes
_FRONT = struct.Struct(f"<QQ{_KEY}s")  # bytes of the tokens and of the state, and its key


@dataclass(eq=False)
class Checkpoint:
    """A state of a sequence that held `tokens`; `key` tells all else that shapes it.

    It takes `size` bytes. An earlier engine left it where it is an `orphan`.
    """

    place: int
    key: bytes
    tokens: list[int]
    size: int
    orphan: bool = False


class Checkpoints:
    """States of sequences, which the next engine finds when this one is killed.

    Each has a place of its own in memory that is there only where it was written, and given back
    when it is dropped. What a kill cuts short is not found. Methods raise OSError.
    """

    def __init__(self, fd: int) -> None:
        """`fd` is that of `shared`; what is there was left by an earlier engine."""
        self._fd = fd
        self._stride = os.fstat(fd).st_size // _PLACES
        self._held: dict[int, Checkpoint] = {}
        for place in range(_PLACES) if self._stride else ():
            found = self._read(place)
            if found is not None:
                self._held[place] = found

    @staticmethod
    def shared(most_bytes: int) -> int:
        """A descriptor of new memory, for this process and its children: no more than that."""
        fd = os.memfd_create("edge_rt checkpoints")
        os.ftruncate(fd, _PLACES * (most_bytes // mmap.PAGESIZE * mmap.PAGESIZE))
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

    def orphans(self, key: bytes) -> Iterator[Checkpoint]:
        """Those that earlier engines left under that key."""
        return (one for one in self._held.values() if one.orphan and one.key == key)

    def put(
        self, old: Checkpoint | None, key: bytes, tokens: Sequence[int], state: bytes | bytearray
    ) -> Checkpoint | None:
        """Keep a state, in place of `old`, which is gone then; None where there is no room."""
        said = array("i", tokens).tobytes()
        size = _FRONT.size + len(said) + len(state)
        place = self._place(old, size)
        if place is None:
            if old is not None:
                self.drop(old)
            return None
        begin = place * self._stride
        os.pwrite(self._fd, bytes(_FRONT.size), begin)  # nothing, until it is whole
        written = os.pwritev(self._fd, [said, state], begin + _FRONT.size)
        if written != len(said) + len(state):
            raise OSError(f"only {written} bytes could be written")
        os.pwrite(self._fd, _FRONT.pack(len(said), len(state), key), begin)
        size = size if old is None else max(size, old.size)
        self._held[place] = Checkpoint(place, key, list(tokens), size)
        return self._held[place]

    def state(self, checkpoint: Checkpoint) -> bytearray:
        """What was put there."""
        begin = checkpoint.place * self._stride
        said, size, _ = _FRONT.unpack(os.pread(self._fd, _FRONT.size, begin))
        state = bytearray(size)
        os.preadv(self._fd, [state], begin + _FRONT.size + said)
        return state

    def drop(self, checkpoint: Checkpoint) -> None:
        """Forget it."""
        del self._held[checkpoint.place]
        begin = checkpoint.place * self._stride
        with mmap.mmap(self._fd, checkpoint.size, offset=begin) as gone:
            gone.madvise(mmap.MADV_REMOVE)

    def _place(self, old: Checkpoint | None, size: int) -> int | None:
        """Where there is room for so many bytes; orphans make some."""
        orphans = [one for one in self._held.values() if one.orphan and one is not old]
        while not self._fits(old, size):
            if not orphans:
                return None
            self.drop(orphans.pop())
        if old is not None:
            return old.place
        return next(place for place in range(_PLACES) if place not in self._held)

    def _fits(self, old: Checkpoint | None, size: int) -> bool:
        if old is None:
            return len(self._held) < _PLACES and self.used_bytes + size <= self._stride
        return self.used_bytes - old.size + size <= self._stride

    def _read(self, place: int) -> Checkpoint | None:
        begin = place * self._stride
        said, state, key = _FRONT.unpack(os.pread(self._fd, _FRONT.size, begin))
        if not said:
            return None
        tokens = array("i", os.pread(self._fd, said, begin + _FRONT.size)).tolist()
        return Checkpoint(place, key, tokens, _FRONT.size + said + state, orphan=True)
