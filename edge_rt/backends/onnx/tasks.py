"""Embedding models for onnxruntime: a folder with `model.onnx` and `tokenizer.json`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge_rt.backends.onnx.session import Node, OnnxSession, first_line
from edge_rt.backends.onnx.vocabulary import load_tokenizer
from edge_rt.core.errors import EngineError, ModelFileError

POOLINGS = ("mean", "cls", "last", "rank")
ROWS = 64  # most inputs of one pass
_TOKENS, _MASK, _SEGMENTS = "input_ids", "attention_mask", "token_type_ids"


class OnnxEmbedding:
    """One model that gives a vector for each token, pooled here; see EmbeddingBackend.

    Its graph takes `input_ids` and, where it has them, `attention_mask` and `token_type_ids`, all
    (inputs, tokens) int64. Its first output of (inputs, tokens, width) is pooled: "mean" over all
    tokens of an input, "cls" the first, "last" the last. One of (inputs, width) is taken as it is:
    "rank" wants one of width 1, for two texts that are read together.
    """

    def __init__(
        self,
        path: Path,
        *,
        context: int,
        batch: int,
        threads: int,
        pooling: str = "mean",
        providers: Sequence[str] = (),
    ) -> None:
        """Load the model at `path`, a folder's `model.onnx`; sizes in tokens.

        Raises ModelFileError.
        """
        if pooling not in POOLINGS:
            raise ModelFileError(f"there is no pooling {pooling!r}: use {', '.join(POOLINGS)}")
        self._pooling = pooling
        self._tokenizer = load_tokenizer(path)
        self._threads = threads
        self._session = OnnxSession(path, threads=threads, providers=providers)
        self._inputs = _inputs(self._session.inputs, path)
        self._output, self.width = _output(self._session.outputs, path)
        if pooling == "rank" and self.width != 1:
            raise ModelFileError(f"{path.name} ranks no texts: it gives {self.width} numbers")
        self.vocab: int = self._tokenizer.get_vocab_size()
        self.context, self.rows = context, ROWS
        self.room = max(batch, context)
        self.marks = _marks(self._tokenizer)

    def set_threads(self, threads: int) -> None:
        self._threads = threads

    def close(self) -> None:
        """Free all its memory; may be called again."""
        self._session.close()

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        self._tokenizer.encode_special_tokens = not special
        return self._tokenizer.encode(text).ids

    def pair(self, query: str, text: str) -> tuple[list[int], int, int]:
        self._tokenizer.encode_special_tokens = True
        found = self._tokenizer.encode(query, text)
        own = [at for at, part in enumerate(found.sequence_ids) if part == 1]
        if not own:
            return found.ids, len(found.ids), 0
        return found.ids, own[0], len(found.ids) - own[-1] - 1

    def embed(self, inputs: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        tokens, mask = _padded(inputs)
        segments = _segments(tokens, mask) if self._pooling == "rank" else np.zeros_like(tokens)
        fed = {_TOKENS: tokens, _MASK: mask, _SEGMENTS: segments}
        try:
            given = {name: fed[name] for name in self._inputs}
            [found] = self._session.compute([self._output], given, threads=self._threads)
        except EngineError:
            raise
        except Exception as error:  # its own classes, which have no base of theirs
            raise EngineError(f"onnxruntime could not embed: {first_line(error)}") from error
        return _pooled(found.astype(np.float32, copy=False), mask, self._pooling)


def _inputs(nodes: Sequence[Node], path: Path) -> list[str]:
    names = [node.name for node in nodes]
    strange = set(names) - {_TOKENS, _MASK, _SEGMENTS}
    if strange or _TOKENS not in names:
        raise ModelFileError(
            f"{path.name} is no embedding model: its inputs are {', '.join(names)}, not "
            f"{_TOKENS}, {_MASK} and {_SEGMENTS}"
        )
    return names


def _output(nodes: Sequence[Node], path: Path) -> tuple[str, int]:
    """Return the output to take and the width of its vectors."""
    for node in nodes:
        width = node.dims[-1] if len(node.dims) in (2, 3) else None
        if isinstance(width, int):
            return node.name, width
    raise ModelFileError(f"{path.name} is no embedding model: no output holds vectors")


def _marks(tokenizer: Tokenizer) -> tuple[int, int]:
    """Return how many control tokens come before and behind a text, seen around a word."""
    mask = tokenizer.encode("a").special_tokens_mask
    if 0 not in mask:
        return 0, 0
    return mask.index(0), mask[::-1].index(0)


def _segments(tokens: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 1 for tokens of the second text: those behind the first one that ends a text."""
    last = np.take_along_axis(tokens, mask.sum(1, keepdims=True) - 1, 1)
    ends = (tokens == last) & (mask == 1)
    return np.minimum(np.cumsum(ends, 1) - ends, 1) * mask


def _padded(inputs: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return tokens with 0 behind the shorter ones, and 1 where there is a token."""
    longest = max(map(len, inputs))
    tokens = np.zeros((len(inputs), longest), np.int64)
    mask = np.zeros_like(tokens)
    for row, ids in enumerate(inputs):
        tokens[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return tokens, mask


def _pooled(
    found: NDArray[np.float32], mask: NDArray[np.int64], pooling: str
) -> NDArray[np.float32]:
    if found.ndim == 2:
        return found
    if pooling == "cls":
        return found[:, 0]
    if pooling == "last":
        return found[np.arange(len(found)), mask.sum(1) - 1]
    weights = mask.astype(np.float32)[:, :, None]
    return cast(NDArray[np.float32], (found * weights).sum(1) / weights.sum(1))
