"""One text through llama.cpp and through onnxruntime, with the logits at every position."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import llama_cpp
import numpy as np
from tokenizers import Tokenizer

from edge_rt.backends.llama.model import LlamaVocabulary
from edge_rt.backends.onnx.session import runtime as ort
from edge_rt_convert import ConvertError
from edge_rt_convert.card import special_tokens

_F16 = 1  # enum ggml_type
WINDOW = 256  # tokens that are run at once


class LlamaRun:
    """The GGUF at `path` in llama.cpp, `batch` tokens a pass, at most `context` in all."""

    def __init__(
        self, path: Path, *, context: int, batch: int, threads: int, kv_type: int = _F16
    ) -> None:
        self._model = llama_cpp.Llama(
            str(path),
            n_ctx=context,
            n_batch=batch,
            n_ubatch=batch,
            n_threads=threads,
            n_threads_batch=threads,
            type_k=kv_type,
            type_v=kv_type,
            flash_attn=False,
            logits_all=True,
            verbose=False,
        )

    def logits(self, tokens: Sequence[int]) -> np.ndarray:
        """float32 (tokens, vocab): logits after each token."""
        self._model.reset()
        self._model.eval(list(tokens))
        return self._model.scores[: len(tokens)].copy()

    def continued(self, tokens: list[int], count: int, random: np.random.Generator) -> list[int]:
        """`count` more tokens after `tokens`, drawn as the model would have them."""
        self._model.reset()
        made = list(tokens)
        self._model.eval(made)
        for _ in range(count):
            scores = self._model.scores[len(made) - 1].astype(np.float64)
            shares = np.exp(scores - scores.max())
            made.append(int(random.choice(len(shares), p=shares / shares.sum())))
            self._model.eval(made[-1:])
        return made

    def close(self) -> None:
        """Free the memory of the model."""
        self._model.close()


class OnnxRun:
    """The graph at `path` in onnxruntime, all tokens in one pass or one a pass."""

    def __init__(self, path: Path, *, one_by_one: bool, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors
        providers = ["CPUExecutionProvider"]
        self._session = ort.InferenceSession(str(path), options, providers=providers)
        inputs = self._session.get_inputs()
        self._empty = {i.name: i.shape for i in inputs if i.name.startswith("past_")}
        self._outputs = ["logits", *(name.replace("past", "present") for name in self._empty)]
        self._one_by_one = one_by_one

    def logits(self, tokens: Sequence[int]) -> np.ndarray:
        """float32 (tokens, vocab): logits after each token."""
        self._past = {
            name: np.zeros((1, shape[1], 0, shape[3]), np.float32)
            for name, shape in self._empty.items()
        }
        if not self._one_by_one:
            return self._pass(tokens, 0)
        return np.concatenate([self._pass([token], at) for at, token in enumerate(tokens)])

    def _pass(self, tokens: Sequence[int], start: int) -> np.ndarray:
        end = start + len(tokens)
        feeds = {
            "input_ids": np.array([tokens], np.int64),
            "seqlens_k": np.array([end - 1], np.int32),
            "total_sequence_length": np.array(end, np.int32),
            "rows": np.arange(len(tokens), dtype=np.int64),
            **self._past,
        }
        logits, *present = self._session.run(self._outputs, feeds)
        self._past = dict(zip(self._past, present, strict=True))
        return logits

    def close(self) -> None:
        """Free the memory of the model."""
        del self._session


Run = LlamaRun | OnnxRun
"""A model that can be asked for the logits of a text."""


def tokens_of(gguf: Path, tokenizer: Path, text: str, count: int) -> list[int]:
    """The first `count` tokens of `text`; raises ConvertError where both sides cut it otherwise."""
    vocabulary = LlamaVocabulary(gguf)
    ours = Tokenizer.from_file(str(tokenizer))
    special = special_tokens(gguf)
    start = [special.bos] if special.add_bos and special.bos is not None else []
    for control in (True, False):
        ours.encode_special_tokens = not control
        found = [*start, *ours.encode(text, add_special_tokens=False).ids]
        if found != vocabulary.tokenize(text, special=control):
            raise ConvertError("tokenizer.json cuts the text otherwise than llama.cpp does")
    vocabulary.close()
    return found[:count]


def drawn(gguf: Path, count: int, *, threads: int, seed: int = 1) -> list[int]:
    """`count` tokens that the model itself makes up, always the same."""
    special = special_tokens(gguf)
    start = special.bos if special.bos is not None else special.eos or 0
    run = LlamaRun(gguf, context=count + 1, batch=1, threads=threads)
    tokens = run.continued([start], count - 1, np.random.default_rng(seed))
    run.close()
    return tokens


def windows(tokens: Sequence[int]) -> list[Sequence[int]]:
    """Cut into pieces that are run each by itself; a last one of a single token is left out."""
    pieces = [tokens[at : at + WINDOW] for at in range(0, len(tokens), WINDOW)]
    found = [piece for piece in pieces if len(piece) > 1]
    if not found:
        raise ConvertError("the text is too short for a check: two tokens at least are needed")
    return found
