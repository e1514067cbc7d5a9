"""What the front and the engine tell each other by: frames on a socket, and shared memory.

A frame has 4 bytes, big-endian, and so many of msgpack. The memory tells what the engine does now,
which the front sees even once the engine is gone.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Collection, Iterator
from threading import Lock
from typing import NamedTuple

import msgspec

from edge_rt.core.errors import ProtocolError
from edge_rt.engine.protocol import ToEngine, ToFront

MAX_FRAME = 64 * 1024 * 1024  # bytes; a prompt of a million tokens is a tenth of it
_LENGTH = struct.Struct(">I")
_encoder = msgspec.msgpack.Encoder()

_WORDS = mmap.PAGESIZE // 8
_CHANGES, _ALL, _GPU, _BEGIN, _SHARE = range(3, 8)  # behind turn, tokens and request count
_OFFLOADED = 8  # microseconds in passes of models with layers on a GPU
_HELPED = 9  # microseconds of the processor that processes of the engine's had
_HEAD = 10  # where the numbers of the requests begin


def encode(message: ToEngine | ToFront) -> bytes:
    """`message` as one frame. Raises ProtocolError when it is larger than MAX_FRAME."""
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME:
        raise ProtocolError(f"frame of {len(body)} bytes is over the limit of {MAX_FRAME}")
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Cuts a byte stream, fed in any pieces, into the bodies of its frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add `data` and yield every body that is now complete.

        Raises ProtocolError on a length over MAX_FRAME, after which the stream is of no use.
        """
        self._buffer += data
        start = 0
        while (body := self._body(start)) is not None:
            start += _LENGTH.size + len(body)
            yield body
        del self._buffer[:start]

    def _body(self, start: int) -> bytes | None:
        begin = start + _LENGTH.size
        if len(self._buffer) < begin:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer, start)
        if length > MAX_FRAME:
            raise ProtocolError(f"frame of {length} bytes is over the limit of {MAX_FRAME}")
        if len(self._buffer) < begin + length:
            return None
        return bytes(self._buffer[begin : begin + length])


def engine_decoder() -> msgspec.msgpack.Decoder[ToEngine]:
    """Return a decoder of what the engine receives."""
    return msgspec.msgpack.Decoder(ToEngine)


def front_decoder() -> msgspec.msgpack.Decoder[ToFront]:
    """Return a decoder of what the front receives."""
    return msgspec.msgpack.Decoder(ToFront)


class Doing(NamedTuple):
    """What the engine is at work on; `turn` changes whenever it begins with something.

    It works for `requests`, as long as a model takes to read so many `tokens`.
    """

    turn: int
    tokens: int
    requests: frozenset[int]


class Heartbeat:
    """A page of memory: the engine notes what it begins.

    The front reads it, even after a kill.

    Words 3 to 7 tell how long passes kept a GPU busy; a simulated board reads them, so they stay
    where they are: a count that is odd while the others change; microseconds in passes that are
    over; of these, the GPU's; the clock's reading in microseconds at which the pass under way
    began, 0: none; and how many millionths of its layers lie on a GPU.
    """

    def __init__(self, fd: int = -1) -> None:
        """`fd` is that of `shared`; without one, the memory is this process's own."""
        self._words = memoryview(mmap.mmap(fd, mmap.PAGESIZE)).cast("Q")
        self._helping = Lock()

    @staticmethod
    def shared() -> int:
        """Return a descriptor of new memory, for this process and a child of it."""
        fd = os.memfd_create("edge_rt engine")
        os.ftruncate(fd, mmap.PAGESIZE)
        return fd

    def pass_begins(self, begin_s: float, gpu_share: float) -> None:
        """Note that a pass of a model began at `begin_s`.

        `gpu_share` of its layers, 0 to 1, lie on a GPU.
        """
        words = self._words
        words[_CHANGES] += 1
        words[_BEGIN] = int(1e6 * begin_s)
        words[_SHARE] = int(1e6 * gpu_share)
        words[_CHANGES] += 1

    def pass_is_over(self, all_s: float, gpu_s: float, offloaded_s: float = 0.0) -> None:
        """End the pass.

        The seconds are totals since the start: of passes, the GPU's part, and those with a GPU.
        """
        words = self._words
        words[_CHANGES] += 1
        words[_ALL] = int(1e6 * all_s)
        words[_GPU] = int(1e6 * gpu_s)
        words[_OFFLOADED] = int(1e6 * offloaded_s)
        words[_BEGIN] = 0
        words[_CHANGES] += 1

    def offloaded_s(self, now_s: float) -> float | None:
        """Return seconds in passes of models with layers on a GPU, one under way included.

        None while they change.
        """
        words = self._words
        changes, begin_us = words[_CHANGES], words[_BEGIN]
        spent_us = words[_OFFLOADED]
        if begin_us and words[_SHARE]:
            spent_us += max(0.0, 1e6 * now_s - begin_us)
        return None if changes % 2 or words[_CHANGES] != changes else 1e-6 * spent_us

    def helped(self, cpu_s: float) -> None:
        """Count processor time of a process that the engine has started; for any thread."""
        with self._helping:
            self._words[_HELPED] += int(1e6 * cpu_s)

    @property
    def helped_s(self) -> float:
        """Processor time that was counted."""
        return 1e-6 * self._words[_HELPED]

    def note(self, requests: Collection[int] = (), tokens: int = 0) -> None:
        """Say what begins; without requests, no pass is under way any more."""
        words = self._words
        if not requests:
            words[_BEGIN] = 0
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
