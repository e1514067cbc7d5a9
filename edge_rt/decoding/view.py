"""What a model makes of the next token, as far as somebody asks."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from edge_rt.decoding.ranking import Logits


class View:
    """Measures of the distribution that logits give, before bias, penalties and temperature.

    Logits are (vocab,) float32 and only valid until the next pass; so is this.
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
        shifted = self._logits - self._peak
        weights = np.exp(shifted, dtype=np.float32)
        total = float(weights.sum(dtype=np.float64))
        # A logit of -inf has weight 0, and 0 times infinity is no number.
        mean = float(np.einsum("i,i", weights, np.maximum(shifted, -1e4), dtype=np.float64)) / total
        return max(0.0, math.log(total) - mean)

    @cached_property
    def confidence(self) -> float:
        """The probability of the likeliest token, 0 to 1."""
        return 1.0 / float(np.exp(self._logits - self._peak).sum(dtype=np.float64))

    @cached_property
    def _peak(self) -> float:
        return float(self._logits.max())
