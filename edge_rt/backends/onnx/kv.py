"""Keys and values of an ONNX model's sequences, in memory that its passes read and extend."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.onnx.session import runtime
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
    def buffer(self) -> tuple[int, int, int, int]:
        """The shape of one buffer."""
        return self.sequences, self.kv_heads, self.context, self.head_dim

    @property
    def token_bytes(self) -> int:
        """What one token takes, in all layers."""
        return 2 * self.layers * self.kv_heads * self.head_dim * _F32

    @property
    def slot_bytes(self) -> int:
        """What one sequence takes in one buffer."""
        return self.kv_heads * self.context * self.head_dim * _F32


class HostBuffers:
    """Two buffers a layer, keys before values; memory is taken as its pages are written to."""

    device = "cpu"  # as onnxruntime names it

    def __init__(self, shape: KvShape) -> None:
        size = shape.token_bytes * shape.context * shape.sequences
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        # With huge pages, which numpy's own memory has, a few tokens take as much as a whole slot.
        with suppress(OSError):  # a kernel that was built without them knows no such advice
            memory.madvise(mmap.MADV_NOHUGEPAGE)
        numbers = np.frombuffer(memory, np.float32)
        self._arrays = list(np.reshape(numbers, (2 * shape.layers, *shape.buffer)))

    def __len__(self) -> int:
        return len(self._arrays)

    def address(self, index: int) -> int:
        """Return the address at which buffer `index` begins."""
        return self._arrays[index].ctypes.data

    def get(self, index: int) -> Buffer:
        """Buffer `index` as numpy sees it, no copy."""
        return self._arrays[index]

    def put(self, index: int, buffer: Buffer) -> None:
        """Do nothing: `get` gives the buffer itself."""

    def close(self) -> None:
        """Free the buffers."""
        self._arrays.clear()


class DeviceBuffers:
    """The same in a device's memory: whole buffers travel when a sequence is copied or saved."""

    def __init__(self, shape: KvShape, device: str) -> None:
        self.device = device
        make = runtime.OrtValue.ortvalue_from_shape_and_type
        size = list(shape.buffer)
        self._values: list[Any] = [
            make(size, np.float32, device, 0) for _ in range(2 * shape.layers)
        ]

    def __len__(self) -> int:
        return len(self._values)

    def address(self, index: int) -> int:
        """Return the address at which buffer `index` begins."""
        return self._values[index].data_ptr()

    def get(self, index: int) -> Buffer:
        """Return a copy of buffer `index`."""
        return self._values[index].numpy().copy()

    def put(self, index: int, buffer: Buffer) -> None:
        """Write back a copy that `get` gave."""
        self._values[index].update_inplace(buffer)

    def close(self) -> None:
        """Free the buffers."""
        self._values.clear()


class KvCache:
    """What every sequence holds, and how much of it."""

    def __init__(self, shape: KvShape, device: str = "cpu") -> None:
        """`device` is the one that the passes run on."""
        self.shape = shape
        self.buffers: HostBuffers | DeviceBuffers = (
            HostBuffers(shape) if device == "cpu" else DeviceBuffers(shape, device)
        )
        self.lengths = [0] * shape.sequences  # tokens held
        self._most = [0] * shape.sequences  # tokens ever held

    @property
    def touched_bytes(self) -> int:
        """Memory that sequences have ever written to."""
        return sum(self._most) * self.shape.token_bytes

    def extend(self, seq: int, length: int) -> None:
        """Sequence `seq` holds `length` tokens now."""
        self.lengths[seq] = length
        self._most[seq] = max(self._most[seq], length)

    def copy(self, source: int, target: int, length: int) -> None:
        """Make `target` hold the first `length` tokens of `source`."""
        for index in range(len(self.buffers)):
            buffer = self.buffers.get(index)
            buffer[target, :, :length] = buffer[source, :, :length]
            self.buffers.put(index, buffer)
        self.extend(target, length)

    def saved_bytes(self, seq: int) -> int:
        """Return how many bytes `save` gives."""
        return _HEADER.size + self.lengths[seq] * self.shape.token_bytes

    def save(self, seq: int) -> bytes:
        """Return what `seq` holds."""
        return b"".join(self._saved(seq))

    def _saved(self, seq: int) -> Iterator[bytes]:
        length = self.lengths[seq]
        yield self._header(length)
        for index in range(len(self.buffers)):
            yield self.buffers.get(index)[seq, :, :length].tobytes()

    def restore(self, seq: int, data: bytes | bytearray | memoryview) -> None:
        """Make `seq` hold what was saved; EngineError, and nothing held, when it does not fit."""
        self.lengths[seq] = 0
        length = self._length_of(data)
        size = (self.shape.kv_heads, length, self.shape.head_dim)
        numbers = np.frombuffer(data, np.float32, offset=_HEADER.size)
        for index, part in enumerate(np.reshape(numbers, (len(self.buffers), *size))):
            buffer = self.buffers.get(index)
            buffer[seq, :, :length] = part
            self.buffers.put(index, buffer)
        self.extend(seq, length)

    def close(self) -> None:
        """Free the memory; nothing can be held any more."""
        self.buffers.close()

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
