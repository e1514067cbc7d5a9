"""What a model makes of the next token, as far as somebody asks."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge_rt.decoding.sampling.ranking import Logits, moments, ranked, top_floor


class View:
    """Measures of the distribution that logits give, before bias, penalties and temperature.

    Logits are (vocab,) float32 and only valid until the next pass; so is this. Logits that give
    no distribution (NaN, +inf, nothing but -inf) look like certainty: to refuse them is the
    sampler's part.
    """

    def __init__(self, logits: Logits) -> None:
        self._logits = logits

    @property
    def vocab(self) -> int:
        """How many tokens there are to choose from."""
        return self._logits.shape[0]

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
    def margin(self) -> float:
        """How much more probable the likeliest token is than the next one, 0 to 1."""
        top = self._top(2)
        return self.confidence * (1.0 - math.exp(float(top[1]))) if top.size > 1 else 1.0

    def top_entropy(self, count: int) -> float:
        """The entropy of the `count` likeliest tokens among themselves, in nats."""
        shifted = self._top(count)
        weights = np.exp(shifted)
        total = float(weights.sum())
        return max(0.0, math.log(total) - float(weights @ shifted) / total)

    def _top(self, count: int) -> NDArray[np.float64]:
        """The `count` largest logits less the largest, falling; fewer where others are -inf."""
        if not math.isfinite(self._peak):
            return np.zeros(1)
        ids = ranked(self._logits, top_floor(self._logits, count))[:count]
        return self._logits[ids].astype(np.float64) - self._peak

    @cached_property
    def _moments(self) -> tuple[float, float]:
        return moments(self._logits, self._peak) if math.isfinite(self._peak) else (1.0, 0.0)

    @cached_property
    def _peak(self) -> float:
        return float(self._logits.max())
