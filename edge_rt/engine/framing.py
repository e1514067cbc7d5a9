"""Length-prefixed frames on a stream socket: 4 bytes, big-endian, and so many of msgpack."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

from edge_rt.core.errors import ProtocolError
from edge_rt.engine.protocol import ToEngine, ToFront

MAX_FRAME = 64 * 1024 * 1024  # bytes; a prompt of a million tokens is a tenth of it
_HEAD = struct.Struct(">I")
_encoder = msgspec.msgpack.Encoder()


def encode(message: ToEngine | ToFront) -> bytes:
    """`message` as one frame. Raises ProtocolError when it is larger than MAX_FRAME."""
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME:
        raise ProtocolError(f"frame of {len(body)} bytes is over the limit of {MAX_FRAME}")
    return _HEAD.pack(len(body)) + body


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
            start += _HEAD.size + len(body)
            yield body
        del self._buffer[:start]

    def _body(self, start: int) -> bytes | None:
        begin = start + _HEAD.size
        if len(self._buffer) < begin:
            return None
        (length,) = _HEAD.unpack_from(self._buffer, start)
        if length > MAX_FRAME:
            raise ProtocolError(f"frame of {length} bytes is over the limit of {MAX_FRAME}")
        if len(self._buffer) < begin + length:
            return None
        return bytes(self._buffer[begin : begin + length])


def engine_decoder() -> msgspec.msgpack.Decoder[ToEngine]:
    """Decoder of what the engine receives."""
    return msgspec.msgpack.Decoder(ToEngine)


def front_decoder() -> msgspec.msgpack.Decoder[ToFront]:
    """Decoder of what the front receives."""
    return msgspec.msgpack.Decoder(ToFront)
