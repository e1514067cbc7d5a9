"""Layers of a model that guess at the token behind the next (multi-token prediction, MTP).

They read each token with the state that the other layers had before it, and keep keys and values of
their own: of what an answer says, up to some hundred tokens. For those of prompts, every pass would
have to go through them, whether or not anybody drafts.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Sequence
from typing import Any

import llama_cpp.llama_cpp
import numpy as np

from edge_rt.backends.base import HeadsGuess, State
from edge_rt.backends.llama.memory import held

lib: Any = llama_cpp.llama_cpp  # its types say what ctypes stores, not what it takes
log = logging.getLogger(__name__)

# Models whose heads llama.cpp can compute; with others it aborts, or keeps the heads unused.
_ARCHITECTURES = ("qwen35", "qwen35moe", "qwen3next")
_ROOM = 512  # tokens of a sequence whose keys and values are kept
_MOST = 16  # tokens of a pass: a draft and one
_KEY = b"general.architecture"
_FLOATS: Any = ctypes.POINTER(ctypes.c_float)


class LlamaHeads:
    """The heads of a model with a context; see Heads."""

    def __init__(self, model: Any, context: Any) -> None:
        """Have passes of `context`, a llama_context, keep the states of rows with logits.

        Raises AttributeError where this llama.cpp has no such functions, which are not public.
        """
        from llama_cpp import llama_cpp_ext

        self._states: Any = llama_cpp_ext
        params = lib.llama_context_default_params()
        params.ctx_type = lib.LLAMA_CONTEXT_TYPE_MTP
        params.n_seq_max = sequences = lib.llama_n_seq_max(context)
        params.n_ctx, params.kv_unified = _ROOM * sequences, False
        params.n_batch = params.n_ubatch = _MOST
        params.no_perf = True
        self._target = context
        self._context: Any = lib.llama_init_from_model(model, params)
        if not self._context:
            raise AttributeError("no context for prediction heads")
        self._memory: Any = lib.llama_get_memory(self._context)
        self._batch: Any = lib.llama_batch_ext_init(self._context)
        self._width = lib.llama_model_n_embd_out(model)
        self._vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
        for one in (context, self._context):
            self._states.llama_set_embeddings_nextn(one, True, True)

    def state(self, row: int) -> State | None:
        return self._state(self._target, row)

    def guess(
        self, seq: int, start: int, tokens: Sequence[int], states: Sequence[State]
    ) -> HeadsGuess | None:
        self._make_room(seq, start, len(tokens))
        last = len(tokens) - 1
        # llama.cpp takes states, and logits of some, from the first rows, wanted or not.
        read = self._pass(seq, start, tokens[:last], states) if last else True
        if not read or not self._pass(seq, start + last, tokens[last:], states[last:], want=True):
            lib.llama_memory_seq_rm(self._memory, seq, -1, -1)
            return None
        logits, state = lib.llama_get_logits_ith(self._context, 0), self._state(self._context, 0)
        assert state is not None, "it was wanted"
        return HeadsGuess(np.ctypeslib.as_array(logits, (self._vocab,)), state)

    def close(self) -> None:
        """Free all its memory."""
        lib.llama_batch_ext_free(self._batch)
        lib.llama_free(self._context)

    def _pass(
        self,
        seq: int,
        start: int,
        tokens: Sequence[int],
        states: Sequence[State],
        *,
        want: bool = False,
    ) -> bool:
        """Read tokens; return whether that worked."""
        batch, threads = self._batch, lib.llama_n_threads(self._target)
        lib.llama_set_n_threads(self._context, threads, threads)
        lib.llama_batch_ext_clear(batch)
        for at, token in enumerate(tokens):
            row = lib.llama_batch_ext_add_token(batch, seq, token)
            lib.llama_batch_ext_set_pos(batch, row, ctypes.byref(lib.llama_pos(start + at)))
            data = lib.llama_embd(states[at].ctypes.data_as(_FLOATS), 1, self._width)
            lib.llama_batch_ext_set_embd_token(batch, row, data)
            lib.llama_batch_ext_set_output_logits(batch, row, want)
        return lib.llama_process(self._context, lib.LLAMA_PROCESS_TYPE_DECODE, batch) == 0

    def _state(self, context: Any, row: int) -> State | None:
        data = self._states.llama_get_embeddings_nextn_ith(context, row)
        return np.array(data[: self._width], np.float32) if data else None

    def _make_room(self, seq: int, start: int, count: int) -> None:
        """Forget what a sequence holds from `start` on; all where that does not end there."""
        lib.llama_memory_seq_rm(self._memory, seq, start, -1)
        first = lib.llama_memory_seq_pos_min(self._memory, seq)
        if held(self._memory, seq) != start or start + count - first > _ROOM:
            lib.llama_memory_seq_rm(self._memory, seq, -1, -1)


def heads_of(model: Any, context: Any) -> LlamaHeads | None:
    """Return the heads of a model; None: it has none, or they cannot be used."""
    if not lib.llama_model_n_layer_nextn(model):
        return None
    value = ctypes.create_string_buffer(64)
    lib.llama_model_meta_val_str(model, _KEY, value, len(value))
    if value.value.decode() not in _ARCHITECTURES:
        return None
    try:
        return LlamaHeads(model, context)
    except (AttributeError, ImportError) as error:
        log.warning("the model's prediction heads cannot be used: %s", error)
        return None
