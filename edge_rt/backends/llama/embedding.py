"""Embedding models for llama.cpp: GGUF files whose token vectors are pooled to one a text."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import llama_cpp.llama_cpp as lib
import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.base import Batch
from edge_rt.backends.llama.model import (
    LlamaContext,
    NativeBatch,
    cut,
)
from edge_rt.core.errors import EngineError

ROWS = 64  # most inputs of one pass
_FROM_FILE, _NONE, _MEAN, _RANK = -1, 0, 1, 4  # enum llama_pooling_type
_TEMPLATE = b"rerank"  # the chat template that a model may have for two texts


class LlamaEmbedding(LlamaContext):
    """One GGUF model; see EmbeddingBackend.

    It pools as its file says, and where that says nothing, by the mean over all tokens. Nothing
    is kept from pass to pass.
    """

    def __init__(
        self, path: Path, *, context: int, batch: int, threads: int, gpu_layers: int = 0
    ) -> None:
        """Load `path`; sizes in tokens.

        ModelFileError, with llama.cpp's own words, when it cannot be loaded.
        """
        super().__init__(path, gpu_layers)
        self.width: int = lib.llama_model_n_embd_out(self._model)
        self.context = min(context, lib.llama_model_n_ctx_train(self._model))
        self.room = max(batch, self.context)
        self.rows = min(ROWS, self.room)
        self._begin(_params(self.room, self.rows, threads, _FROM_FILE))
        if lib.llama_pooling_type(self._context) == _NONE:
            lib.llama_free(self._context)
            self._begin(_params(self.room, self.rows, threads, _MEAN))
        if lib.llama_pooling_type(self._context) == _RANK:
            self.width = lib.llama_model_n_cls_out(self._model)
        self._batch = Batch(self.room)
        self._native = NativeBatch(self._batch)
        self._row = ctypes.c_float * self.width
        self.marks = self._marks()

    def pair(self, query: str, text: str) -> tuple[list[int], int, int]:
        template = lib.llama_model_chat_template(self._model, _TEMPLATE)
        if template is None:
            return self._apart(query, text)
        before, _, behind = template.decode(errors="replace").partition("{document}")
        before, behind = (part.replace("{query}", query) for part in (before, behind))
        whole = cut(self._vocab, f"{before}{text}{behind}".encode(), True, False)
        first, last = (cut(self._vocab, part.encode(), True, False) for part in (before, behind))
        return whole, len(first), len(last)

    def _apart(self, query: str, text: str) -> tuple[list[int], int, int]:
        """Return both texts with the control tokens around them that llama.cpp's server adds."""
        vocab = self._vocab
        known = lib.llama_vocab_bos, lib.llama_vocab_eos, lib.llama_vocab_sep
        begin, end, between = (int(cast(Any, find(vocab))) for find in known)
        ends = [between if end < 0 else end] * bool(lib.llama_vocab_get_add_eos(vocab))
        before = [begin] * bool(lib.llama_vocab_get_add_bos(vocab))
        before += [*cut(vocab, query.encode(), False, False), *ends]
        before += [between] * bool(lib.llama_vocab_get_add_sep(vocab))
        own = cut(vocab, text.encode(), False, False)
        return [*before, *own, *ends], len(before), len(ends)

    def embed(self, inputs: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        self._batch.clear()
        for seq, tokens in enumerate(inputs):
            self._batch.add(seq, 0, tokens, want=len(tokens))  # pooling sees only such rows
        if self._memory:  # none in an encoder
            lib.llama_memory_clear(self._memory, False)
        status = lib.llama_decode(self._context, self._native.filled())
        if status != 0:
            raise EngineError(f"llama.cpp could not embed {len(inputs)} inputs ({status})")
        return np.stack([self._vector(seq) for seq in range(len(inputs))])

    def _vector(self, seq: int) -> NDArray[np.float32]:
        pointer = cast(Any, lib.llama_get_embeddings_seq(self._context, seq))
        if not pointer:
            raise EngineError("llama.cpp gave no embedding")
        values: Any = self._row.from_address(ctypes.addressof(pointer.contents))
        return np.array(values, np.float32)

    def _marks(self) -> tuple[int, int]:
        """Return how many control tokens come before and behind a text, seen around a word."""
        whole, bare = self.tokenize("a", special=False), cut(self._vocab, b"a", False, False)
        before = next(
            (at for at in range(len(whole)) if whole[at : at + len(bare)] == bare), len(whole)
        )
        return before, len(whole) - before - len(bare)


def _params(room: int, rows: int, threads: int, pooling: int) -> Any:
    params = lib.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = room  # an encoder sees all at once
    params.n_seq_max = rows
    params.n_outputs_max = room
    params.kv_unified = True  # the few models with a KV: rows share the cells of one pass
    params.n_threads = params.n_threads_batch = threads
    params.embeddings = True
    params.pooling_type = pooling
    params.no_perf = True
    return params
