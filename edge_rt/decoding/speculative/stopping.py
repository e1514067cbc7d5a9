"""When to stop a draft: what going on is worth, by dynamic programming."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edge_rt.decoding.speculative.calibration import Bins

_STEPS = 32  # of the chance that a draft is accepted, 0 to 1


class Costs(NamedTuple):
    """Seconds: for which a token is had otherwise, of a guess, and of each row that is verified.

    `rows[k]` is what the (k+1)-th drafted token adds to the verification; as many as a draft may
    have tokens.
    """

    token: float
    guess: float
    rows: Sequence[float]


class Prospects:
    """The seconds that going on with a draft is expected to gain, at best. Ours.

    Guesses are taken to be independent: a share `shares[b]` of them is accepted with the
    probability `acceptances[b]`, and b is known once the guess is made. A draft of k tokens that
    is accepted as a whole with the probability q may stop, or pay for a guess and see it; that may
    be dropped, or join the draft: with the acceptance a it gains q a tokens, and q a is the next q.
    """

    def __init__(self, costs: Costs, shares: Bins, acceptances: Bins) -> None:
        most = len(costs.rows)
        self._values: Bins = np.zeros((most + 1, _STEPS + 1))
        joined: Bins = np.linspace(0.0, 1.0, _STEPS + 1)[:, None] * acceptances
        for drafted in range(most - 1, -1, -1):
            later = _between(self._values[drafted + 1], joined)
            gains = np.maximum(joined * costs.token - costs.rows[drafted] + later, 0.0)
            self._values[drafted] = np.maximum(gains @ shares - costs.guess, 0.0)

    def value(self, drafted: int, chance: float) -> float:
        """Of going on after `drafted` tokens that are all accepted with `chance`; 0: stop."""
        return float(_between(self._values[drafted], np.array([chance]))[0])


def _between(values: Bins, chances: Bins) -> Bins:
    """Of `values` at equal steps from chance 0 to 1, those at `chances`, of any shape."""
    below = np.minimum((chances * _STEPS).astype(np.int64), _STEPS - 1)
    return values[below] + (values[below + 1] - values[below]) * (chances * _STEPS - below)
