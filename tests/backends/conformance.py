"""What every backend is tested as, and how two of them are compared."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.base import Backend

Logits = NDArray[np.float32]

NEAR_TIE = 0.3  # nats between two tokens of which either may be drawn

# Of a logit. From four rows on llama.cpp's kernel for the output matrix sums in another order on
# aarch64, which comes to some 1e-6; more than 1e-4 would be of an earlier layer.
ROUNDING = 0.0 if platform.machine() == "x86_64" else 1e-4


@dataclass(frozen=True)
class Implementation:
    """A backend with a model to run on it.

    `load` takes context, sequences and batch. `exact`: logits are the same within ROUNDING
    whatever else is in a pass and however a prompt is cut; others promise that only for the same
    passes. `control` is a text with control tokens and the bytes that are left without them.
    """

    name: str
    load: Callable[..., Backend]
    exact: bool
    control: tuple[str, bytes]


@dataclass(frozen=True)
class Difference:
    """How far logits of a text are from a reference's, over all of its positions.

    `kl_nats` is the mean divergence, `top1` the share of positions with the same most likely token,
    `margin_nats` the most by which the reference preferred its own where it is not the same.
    """

    kl_nats: float
    top1: float
    margin_nats: float
    perplexity: float
    perplexity_of_reference: float

    @property
    def perplexity_log_ratio(self) -> float:
        """How far the perplexities lie apart."""
        return abs(math.log(self.perplexity / self.perplexity_of_reference))


def difference(tokens: Sequence[int], reference: Logits, found: Logits) -> Difference:
    """Of logits (tokens, vocab) for the same `tokens`."""
    ours, theirs = log_shares(found), log_shares(reference)
    best, top = theirs.argmax(1), ours.argmax(1)
    each = np.arange(len(tokens))
    margins = theirs[each, best] - theirs[each, top]  # 0 where both are the same
    after = np.asarray(tokens[1:])
    return Difference(
        kl_nats=float((np.exp(theirs) * (theirs - ours)).sum(1).mean()),
        top1=float((best == top).mean()),
        margin_nats=float(margins.max()),
        perplexity=_perplexity(ours, after),
        perplexity_of_reference=_perplexity(theirs, after),
    )


def log_shares(logits: Logits) -> NDArray[np.float64]:
    """Logarithms of the softmax of each row."""
    moved = logits.astype(np.float64) - logits.max(1, keepdims=True)
    return moved - np.log(np.exp(moved).sum(1, keepdims=True))


def _perplexity(shares: NDArray[np.float64], after: NDArray[np.intp]) -> float:
    return math.exp(-float(shares[np.arange(len(after)), after].mean()))


def feed(backend: Backend, seq: int, start: int, tokens: Sequence[int]) -> Logits:
    """Read `tokens` in one pass; a copy of the last one's logits."""
    backend.batch.clear()
    row = backend.batch.add(seq, start, tokens, want=1)
    backend.forward()
    return backend.logits(row).copy()


def each(backend: Backend, tokens: Sequence[int], step: int) -> Logits:
    """The logits behind every one of `tokens`, read `step` at a time by a backend that was made
    with one sequence for each of the `step` rows.
    """
    backend.rewind(0, 0)
    found = np.empty((len(tokens), backend.vocab), np.float32)
    for start in range(0, len(tokens), step):
        backend.batch.clear()
        part = tokens[start : start + step]
        backend.batch.add(0, start, part, want=len(part))
        backend.forward()
        for row in range(backend.batch.size):
            found[start + row] = backend.logits(row)
    return found


def greedy(backend: Backend, prompt: Sequence[int], count: int) -> list[int]:
    """The `count` most likely tokens after `prompt`, one after the other."""
    backend.rewind(0, 0)
    tokens = list(prompt)
    logits = feed(backend, 0, 0, tokens)
    for _ in range(count):
        tokens.append(int(logits.argmax()))
        logits = feed(backend, 0, len(tokens) - 1, tokens[-1:])
    return tokens[len(prompt) :]
