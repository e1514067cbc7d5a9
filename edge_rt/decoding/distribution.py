"""The distribution that logits give: its largest values and its entropy, without a full sort.

The order everywhere is by falling logit and, among equal logits, by rising token id. Arrays are
(vocab,) float32 and are only read.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]
Ids = NDArray[np.int64]

_LOWEST = float(np.finfo(np.float32).min)
_COLUMNS = 1024
_FAINTEST = np.float32(-1e4)  # weighs 0, and 0 times it is 0, which 0 times -inf is not
_BLOCK = 16384  # 64 KiB of float32: stays in the second-level cache of small boards


def ranked(logits: Logits, floor: float) -> Ids:
    """Return ids of all logits >= `floor`, in order; -inf is never among them.

    `floor` is rounded downwards to float32, so that no logit on the edge is lost.
    """
    bound = np.float32(_LOWEST)
    if floor > _LOWEST:
        bound = np.nextafter(np.float32(floor), bound)
    ids = np.flatnonzero(logits >= bound)
    keys = _keys(logits[ids], ids)
    keys.sort()
    return keys & 0xFFFFFFFF


def _keys(values: Logits, ids: Ids) -> Ids:
    """Return one integer a token that sorts like (-value, id).

    Plain integers sort several times faster than a stable argsort of floats and leave nothing to
    the sorting algorithm's choice.
    """
    plain = values + np.float32(0)  # turns -0.0 into 0.0
    bits: NDArray[np.int32] = np.ndarray(plain.shape, np.int32, plain)
    rising = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # IEEE order as two's complement
    return (~rising.astype(np.int64) << 32) | ids


def top_floor(logits: Logits, k: int) -> float:
    """Return a value that at least `k` logits reach, and not many more do.

    The maxima of disjoint columns are logits themselves, so the k-th largest of them is reached
    k times at least. Small vocabularies and large k take the exact k-th largest logit.
    """
    if k >= logits.size:
        return _LOWEST
    rows = logits.size // max(_COLUMNS, 4 * k)
    if rows < 2:
        return float(np.partition(logits, -k)[-k])
    columns = logits.size // rows
    maxima = np.reshape(logits[: rows * columns], (rows, columns)).max(axis=0)
    return float(np.partition(maxima, -k)[-k])


def moments(logits: Logits, peak: float) -> tuple[float, float]:
    """Sum of w = exp(logit - peak), and sum of w (logit - peak), in float32 terms; one pass."""
    room = np.empty((2, min(_BLOCK, logits.size)), np.float32)
    total = weighted = 0.0
    for start in range(0, logits.size, _BLOCK):
        block = logits[start : start + _BLOCK]
        shifted = np.subtract(block, np.float32(peak), out=room[0, : block.size])
        np.maximum(shifted, _FAINTEST, out=shifted)
        weights = np.exp(shifted, out=room[1, : block.size])
        total += float(weights.sum())
        weighted += float(np.multiply(weights, shifted, out=weights).sum())
    return total, weighted


def mass(logits: Logits, peak: float, temperature: float = 1.0) -> float:
    """Sum of exp((logit - peak) / temperature), in float32 terms: good to about 1e-7 of itself."""
    room = np.empty(min(_BLOCK, logits.size), np.float32)
    total = 0.0
    with np.errstate(over="ignore"):  # to -inf, which weighs nothing
        for start in range(0, logits.size, _BLOCK):
            block = logits[start : start + _BLOCK]
            terms = np.subtract(block, np.float32(peak), out=room[: block.size])
            if temperature != 1.0:
                np.multiply(terms, np.float32(1.0 / temperature), out=terms)
            total += float(np.exp(terms, out=terms).sum())
    return total


class LogitsView:
    """Measures of the distribution that logits give, before bias, penalties and temperature.

    Logits are (vocab,) float32 and only valid until the next pass; so is this. Logits that give
    no distribution (NaN, +inf, nothing but -inf) look like certainty: to refuse them is the
    sampler's part.
    """

    def __init__(self, logits: Logits) -> None:
        self._logits = logits

    @cached_property
    def entropy(self) -> float:
        """-Σ p ln p over the whole vocabulary, in nats."""
        total, weighted = self._moments
        return max(0.0, math.log(total) - weighted / total)

    @cached_property
    def confidence(self) -> float:
        """The probability of the likeliest token, 0 to 1."""
        return 1.0 / self._moments[0]

    @cached_property
    def _moments(self) -> tuple[float, float]:
        return moments(self._logits, self._peak) if math.isfinite(self._peak) else (1.0, 0.0)

    @cached_property
    def _peak(self) -> float:
        return float(self._logits.max())
