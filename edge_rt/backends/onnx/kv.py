"""Keys and values of an ONNX model's sequences, in memory that its passes read and extend."""

from __future__ import annotations

import mmap
import struct
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_rt.core.errors import EngineError

_F32 = 4  # bytes
_HEADER = struct.Struct("<8s4I")  # magic, layers, kv_heads, head_dim, tokens
_MAGIC = b"edge-kv1"

Buffer = NDArray[np.float32]


@dataclass(frozen=True)
class KvShape:
    """Each layer has keys and values of (sequences, kv_heads, context, head_dim) float32."""

    layers: int
    sequences: int
    kv_heads: int
    context: int
    head_dim: int

    @property
    def token_bytes(self) -> int:
        """What one token takes, in all layers."""
        return 2 * self.layers * self.kv_heads * self.head_dim * _F32


def _buffers(shape: KvShape) -> list[Buffer]:
    """Return two buffers a layer, keys before values; their pages take memory once written to."""
    size = shape.token_bytes * shape.context * shape.sequences
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # With huge pages, which numpy's own memory has, a few tokens take as much as a whole slot.
    with suppress(OSError):  # a kernel that was built without them knows no such advice
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    numbers = np.frombuffer(memory, np.float32)
    one = shape.sequences, shape.kv_heads, shape.context, shape.head_dim
    return list(np.reshape(numbers, (2 * shape.layers, *one)))


class KvCache:
    """What every sequence holds, and how much of it."""

    def __init__(self, shape: KvShape) -> None:
        self.shape = shape
        self.buffers = _buffers(shape)
        self.lengths = [0] * shape.sequences  # tokens held

    def copy(self, source: int, target: int, length: int) -> None:
        """Make `target` hold the first `length` tokens of `source`."""
        for buffer in self.buffers:
            buffer[target, :, :length] = buffer[source, :, :length]
        self.lengths[target] = length

    def saved_bytes(self, seq: int) -> int:
        """Return how many bytes `save` gives."""
        return _HEADER.size + self.lengths[seq] * self.shape.token_bytes

    def save(self, seq: int) -> bytes:
        """Return what `seq` holds."""
        length = self.lengths[seq]
        parts = [buffer[seq, :, :length].tobytes() for buffer in self.buffers]
        return b"".join([self._header(length), *parts])

    def restore(self, seq: int, data: bytes | bytearray | memoryview) -> None:
        """Make `seq` hold what was saved; EngineError, and nothing held, when it does not fit."""
        self.lengths[seq] = 0
        length = self._length_of(data)
        size = (self.shape.kv_heads, length, self.shape.head_dim)
        numbers = np.frombuffer(data, np.float32, offset=_HEADER.size)
        parts = np.reshape(numbers, (len(self.buffers), *size))
        for buffer, part in zip(self.buffers, parts, strict=True):
            buffer[seq, :, :length] = part
        self.lengths[seq] = length

    def close(self) -> None:
        """Free the memory; nothing can be held any more."""
        self.buffers.clear()

    def _header(self, length: int) -> bytes:
        shape = self.shape
        return _HEADER.pack(_MAGIC, shape.layers, shape.kv_heads, shape.head_dim, length)

    def _length_of(self, data: bytes | bytearray | memoryview) -> int:
        length = _HEADER.unpack_from(data)[-1] if len(data) >= _HEADER.size else 0
        expected = _HEADER.size + length * self.shape.token_bytes
        if bytes(data[: _HEADER.size]) != self._header(length) or len(data) != expected:
            raise EngineError("what was saved is not of this model, or not all of it")
        if length > self.shape.context:
            raise EngineError(
                f"{length} tokens were saved, and a sequence holds {self.shape.context}"
            )
        return length
