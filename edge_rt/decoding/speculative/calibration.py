"""How often guesses of some confidence are accepted."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

_EDGES = (0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.96, 0.98, 0.99, 0.995)
_CENTRES = (0.1, 0.3, 0.5, 0.68, 0.8, 0.89, 0.94, 0.97, 0.985, 0.993, 0.998)
_FORGET = 0.99  # what was seen counts for this much less with each later guess, in a bin or in all
_PRIOR = 2.0  # guesses for which "accepted as often as confident" counts

Bins = NDArray[np.float64]


class Calibration:
    """From a confidence, 0 to 1, to the probability of acceptance, by bins. Ours.

    Bins are narrower towards 1, where most guesses of a good draft are and where small
    differences decide on its length.
    """

    def __init__(self) -> None:
        self._hits = _PRIOR * np.array(_CENTRES)
        self._guesses = np.full(len(_CENTRES), _PRIOR)
        self._made = np.full(len(_CENTRES), _PRIOR / len(_CENTRES))

    def acceptance(self, confidence: float) -> float:
        """How likely a guess of `confidence` is to be accepted where those before it are."""
        at = _bin(confidence)
        return float(self._hits[at] / self._guesses[at])

    @property
    def acceptances(self) -> Bins:
        """The acceptance of each bin."""
        return self._hits / self._guesses

    @property
    def shares(self) -> Bins:
        """Which share of the guesses is in each bin."""
        return self._made / self._made.sum()

    def guessed(self, confidence: float) -> None:
        """There was a guess of `confidence`, whether or not it is ever verified."""
        self._made *= _FORGET
        self._made[_bin(confidence)] += 1.0

    def verified(self, confidence: float, *, accepted: bool) -> None:
        """A guess of `confidence` was held against what the target wrote."""
        at = _bin(confidence)
        self._hits[at] = self._hits[at] * _FORGET + accepted
        self._guesses[at] = self._guesses[at] * _FORGET + 1.0


def _bin(confidence: float) -> int:
    return bisect_right(_EDGES, confidence)
