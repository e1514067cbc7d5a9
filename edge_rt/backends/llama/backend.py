"""llama.cpp, through the low-level functions of llama-cpp-python.

Every sequence has KV cells of its own (`kv_unified` off), so that one sequence costs nothing to
another and long idle prefixes are free while others run.

Reproducibility: with keys in Q8_0 and values in F16, ggml's CPU flash attention takes one code
path whatever the batch, chunk or thread count, and visits a sequence's cells in the order of
their positions. With weight types whose matrix product has one kernel for every batch size
(Q4_1 among them) logits are then equal to the last bit whatever else is in the batch; on aarch64
the last layer is rounded otherwise from four rows on, by some 1e-6 of a logit. When both
types are F16, it splits long contexts by thread and tiles batches of 64 and more, and sums
differ in the last bits. GPU kernels promise no such thing, and not every head size fits Q8_0
blocks: whoever has such a model loaded names other types, with which there is no such promise.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import llama_cpp
import llama_cpp.llama_cpp as lib  # the typed functions; the package itself shadows some names
import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.base import Batch, fingerprint
from edge_rt.backends.llama.model import (
    LlamaContext,
    NativeBatch,
    capture,
    infill_marks,
)
from edge_rt.core.errors import EngineError

VERSION: str = llama_cpp.__version__
_F16, _Q4_0, _Q8_0 = 1, 2, 8  # enum ggml_type
_KV_TYPES = {  # of keys and of values
    "q8_0/f16": (_Q8_0, _F16),
    "f16": (_F16, _F16),
    "q8_0": (_Q8_0, _Q8_0),
    "q4_0": (_Q4_0, _Q4_0),
}


class LlamaBackend(LlamaContext):
    """One GGUF model with its context; see Backend for the methods' contract."""

    def __init__(
        self,
        path: Path,
        *,
        context: int,
        sequences: int,
        batch: int,
        threads: int,
        gpu_layers: int = 0,
        flash_attention: bool = True,
        outputs: int = 0,
        kv_type: str = "q8_0/f16",
    ) -> None:
        """Load `path`.

        `context` is tokens a sequence, and `outputs` of how many rows of a pass logits may be
        wanted, one a sequence at least. `kv_type` is one of _KV_TYPES; see above. Raises
        ModelFileError with llama.cpp's own words when it cannot be loaded.
        """
        super().__init__(path, gpu_layers)
        self.outputs = max(outputs, sequences)
        params = lib.llama_context_default_params()
        params.n_ctx = context * sequences
        params.n_batch = params.n_ubatch = batch
        params.n_seq_max = sequences
        params.n_outputs_max = self.outputs
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = False
        params.flash_attn_type = 1 if flash_attention else 0
        params.type_k, params.type_v = _KV_TYPES[kv_type]
        params.no_perf = True
        self._begin(params)
        self.context: int = min(context, lib.llama_n_ctx_seq(self._context))  # it rounds up
        self.sequences = sequences
        self.batch = Batch(batch)
        self._native = NativeBatch(self.batch)
        self._copied = False  # since the last pass: llama.cpp puts copies off until the next one
        self._row = ctypes.c_float * self.vocab
        self._rows: dict[int, NDArray[np.float32]] = {}  # by where llama.cpp keeps their logits
        self._ends: dict[int, bool] = {}
        # As the vocabulary writes them: never shorter than the bytes that they stand for.
        texts: list[bytes] = [
            lib.llama_vocab_get_text(self._vocab, token) for token in range(self.vocab)
        ]
        self.longest_piece: int = max(map(len, texts))
        self.fingerprint = fingerprint(texts)
        self.infill = infill_marks(self._vocab)

    def ends(self, token: int) -> bool:
        known = self._ends.get(token)
        if known is None:
            known = self._ends[token] = bool(lib.llama_vocab_is_eog(self._vocab, token))
        return known

    def forward(self) -> None:
        self._copied = False
        status = lib.llama_decode(self._context, self._native.filled())
        if status != 0:
            raise EngineError(f"llama.cpp could not run a batch of {self.batch.size} ({status})")
        lib.llama_synchronize(self._context)  # a GPU is still at work when llama_decode returns

    def logits(self, row: int) -> NDArray[np.float32]:
        place: int = _logits_ith(self._context, row)
        known = self._rows.get(place)
        if known is None:
            values: Any = self._row.from_address(place)
            known = self._rows[place] = np.frombuffer(values, np.float32)
        return known

    def rewind(self, seq: int, length: int) -> bool:
        if lib.llama_memory_seq_rm(self._memory, seq, length, -1):
            return True
        lib.llama_memory_seq_rm(self._memory, seq, -1, -1)
        return False

    def copy(self, source: int, target: int, length: int) -> bool:
        lib.llama_memory_seq_rm(self._memory, target, -1, -1)
        lib.llama_memory_seq_cp(self._memory, source, target, -1, -1)
        self._copied = True
        return self.rewind(target, length)

    def saved_bytes(self, seq: int) -> int:
        return lib.llama_state_seq_get_size(self._context, lib.llama_seq_id(seq))

    def save(self, seq: int) -> bytearray:
        self._settle()
        whose, data = lib.llama_seq_id(seq), bytearray(LlamaBackend.saved_bytes(self, seq))
        size = lib.llama_state_seq_get_data(self._context, _bytes_of(data), len(data), whose)
        if size != len(data):
            raise EngineError(f"llama.cpp saved {size} bytes of a sequence, not {len(data)}")
        return data

    def restore(self, seq: int, data: bytes | bytearray) -> None:
        lib.llama_memory_seq_rm(self._memory, seq, -1, -1)
        self._settle()
        # ctypes refuses memory that must not be written to.
        kept = data if isinstance(data, bytearray) else bytearray(data)
        with capture() as complaints:
            whose = lib.llama_seq_id(seq)
            size = lib.llama_state_seq_set_data(self._context, _bytes_of(kept), len(kept), whose)
        if not size or size != len(kept):
            lib.llama_memory_seq_rm(self._memory, seq, -1, -1)
            raise EngineError(
                f"what was saved is not of this model, or not all of it: {complaints.summary()}"
            )

    def _settle(self) -> None:
        """Have copies made that were put off, by a pass for a token that is forgotten."""
        if not self._copied:
            return
        held = [lib.llama_memory_seq_pos_max(self._memory, s) + 1 for s in range(self.sequences)]
        length = min(held)
        seq, one = held.index(length), Batch(1)
        if length == self.context:
            raise EngineError("llama.cpp cannot save or restore while every sequence is full")
        one.add(seq, length, [0], want=0)
        status = lib.llama_decode(self._context, NativeBatch(one).filled())
        if status != 0 or not self.rewind(seq, length):
            raise EngineError(f"llama.cpp could not finish a copy of a sequence ({status})")
        self._copied = False


# As a plain address, for which no pointer object has to be made at every token.
_untyped: Any = ctypes  # its stubs cannot say what these make
_logits_ith = _untyped.CFUNCTYPE(_untyped.c_void_p, _untyped.c_void_p, _untyped.c_int32)(
    _untyped.cast(lib.llama_get_logits_ith, _untyped.c_void_p).value
)


def _bytes_of(data: bytearray) -> Any:
    return (ctypes.c_uint8 * len(data)).from_buffer(data)
