"""llama.cpp's view of a batch."""

from __future__ import annotations

import ctypes
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.base import Batch


class NativeBatch:
    """llama_batch over the arrays of a Batch: filling one fills the other, nothing is copied."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._one: NDArray[np.int32] = np.ones(batch.capacity, np.int32)  # sequences a token
        size = batch.seq.itemsize
        base = batch.seq.ctypes.data
        self._seq_pointers: NDArray[np.uintp] = np.arange(
            base, base + size * batch.capacity, size, dtype=np.uintp
        )
        self._struct = lib.llama_batch(
            n_tokens=0,
            token=_pointer(batch.token, lib.llama_token),
            embd=None,
            pos=_pointer(batch.pos, lib.llama_pos),
            n_seq_id=_pointer(self._one, ctypes.c_int32),
            seq_id=_pointer(self._seq_pointers, ctypes.POINTER(lib.llama_seq_id)),
            logits=_pointer(batch.want, ctypes.c_int8),
        )

    def filled(self) -> lib.llama_batch:
        """The structure, with the rows that there are now."""
        self._struct.n_tokens = self._batch.size
        return self._struct


def _pointer(array: NDArray[Any], kind: Any) -> Any:
    untyped: Any = ctypes  # its stubs cannot say what this makes
    return untyped.cast(array.ctypes.data, untyped.POINTER(kind))
