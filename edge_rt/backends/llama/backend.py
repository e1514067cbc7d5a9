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
Nor is there one for models with recurrent layers, which sum in another order where a pass has
several tokens, or with windows, whose cells are reused in an order that depends on earlier passes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import llama_cpp
import llama_cpp.llama_cpp as lib  # the typed functions; the package itself shadows some names
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edge_rt.backends.base import Batch, fingerprint
from edge_rt.backends.llama.heads import LlamaHeads, heads_of
from edge_rt.backends.llama.memory import LlamaSequences
from edge_rt.backends.llama.model import NativeBatch, SharedWeights, infill_marks
from edge_rt.core.errors import EngineError

VERSION: str = llama_cpp.__version__
_F16, _Q4_0, _Q8_0 = 1, 2, 8  # enum ggml_type
_KV_TYPES = {  # of keys and of values
    "q8_0/f16": (_Q8_0, _F16),
    "f16": (_F16, _F16),
    "q8_0": (_Q8_0, _Q8_0),
    "q4_0": (_Q4_0, _Q4_0),
}


class LlamaBackend(LlamaSequences):
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
        adapters: Sequence[tuple[str, float]] = (),
        weights: SharedWeights | None = None,
    ) -> None:
        """Load `path`.

        `context` is tokens a sequence, and `outputs` of how many rows of a pass logits may be
        wanted, one a sequence at least. `kv_type` is one of _KV_TYPES; see above. `adapters` are
        paths of LoRA's, with their scales. Raises ModelFileError with llama.cpp's own words when it
        cannot be loaded.
        """
        super().__init__(path, gpu_layers, weights)
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
        self._begin_sequences(params)
        self._adapt(adapters)
        self.context: int = min(context, lib.llama_n_ctx_seq(self._context))  # it rounds up
        self.batch = Batch(batch)
        self._native = NativeBatch(self.batch)
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

    @cached_property
    def heads(self) -> LlamaHeads | None:
        """Its prediction heads, which take memory from the first time that they are asked for."""
        return heads_of(self._model, self._context)

    @override
    def close(self) -> None:
        if (heads := vars(self).pop("heads", None)) is not None:
            heads.close()
        super().close()

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


# As a plain address, for which no pointer object has to be made at every token.
_untyped: Any = ctypes  # its stubs cannot say what these make
_logits_ith = _untyped.CFUNCTYPE(_untyped.c_void_p, _untyped.c_void_p, _untyped.c_int32)(
    _untyped.cast(lib.llama_get_logits_ith, _untyped.c_void_p).value
)
