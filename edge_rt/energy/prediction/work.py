"""What a model has to compute and to move for a prompt and for each token of an answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

_F32 = 4  # bytes
_VECTORS = 8  # as wide as the embedding that a token has written and read in each layer


@dataclass(frozen=True)
class ModelShape:
    """The sizes of a dense decoder, as its file states them.

    `vocab` 0: not known; the output matrix then counts for every token of a prompt, not for its
    last one only. `kv_bytes_per_number` is 2 where keys and values are kept in f16.
    """

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    embedding: int
    parameters: int
    file_bytes: int
    vocab: int = 0
    kv_bytes_per_number: float = 2.0

    @property
    def head_parameters(self) -> int:
        """The matrix that turns the last layer's vector into logits; 0 where not known."""
        return min(self.parameters, self.vocab * self.embedding)

    def kv_bytes(self, context: float) -> float:
        """Bytes of the keys and values of `context` tokens."""
        numbers = 2.0 * self.layers * self.kv_heads * self.head_dim
        return numbers * context * self.kv_bytes_per_number

    def attention_flop(self, pairs: float) -> float:
        """FLOP to weigh `pairs` of a new token and one that it looks back at, in all layers."""
        return 4.0 * self.layers * self.heads * self.head_dim * pairs


@dataclass(frozen=True)
class Work:
    """FLOP, a multiply-add being two, and bytes moved to and from memory."""

    flop: float
    bytes: float

    @property
    def intensity(self) -> float:
        """FLOP for each byte; infinite where nothing is moved."""
        return self.flop / self.bytes if self.bytes > 0 else math.inf


def prefill_work(
    shape: ModelShape, tokens: float, cached: float = 0, pass_tokens: int = 512
) -> Work:
    """The work to read `tokens` new tokens behind `cached` old ones and draw the first token.

    The weights are read once for each pass of `pass_tokens`. Our formula, after the roofline of
    QEIL v2: F = 2·N·n and the attention, Q = weights, KV and activations.
    """
    body = shape.parameters - shape.head_parameters
    pairs = tokens * cached + tokens * (tokens + 1) / 2
    matrices = 2.0 * (body * tokens + shape.head_parameters)
    passes = max(1, math.ceil(tokens / pass_tokens))
    moved = passes * (shape.file_bytes + shape.kv_bytes(cached + tokens))
    activations = tokens * shape.layers * shape.embedding * _VECTORS * _F32
    return Work(matrices + shape.attention_flop(pairs), moved + activations)


def decode_work(shape: ModelShape, context: float, batch: int = 1) -> Work:
    """The work of one token more for each of `batch` answers, with which each has `context`.

    Our formula, after the roofline of QEIL v2: F = 2·N·b and the attention, Q = weights + b·KV.
    """
    flop = batch * (2.0 * shape.parameters + shape.attention_flop(context))
    return Work(flop, shape.file_bytes + batch * shape.kv_bytes(context))
