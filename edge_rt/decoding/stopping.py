"""When to stop a draft: what going on is worth, by dynamic programming."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edge_rt.decoding.calibration import Bins

_CHANCES = np.linspace(0.0, 1.0, 33)


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
        self._values = np.zeros((most + 1, _CHANCES.size))
        joined = _CHANCES[:, None] * acceptances
        for drafted in range(most - 1, -1, -1):
            later = np.interp(joined, _CHANCES, self._values[drafted + 1])
            gains = joined * costs.token - costs.rows[drafted] + later
            self._values[drafted] = np.maximum(gains, 0.0) @ shares - costs.guess
            np.maximum(self._values[drafted], 0.0, out=self._values[drafted])

    def value(self, drafted: int, chance: float) -> float:
        """Of going on after `drafted` tokens that are all accepted with `chance`; 0: stop."""
        return float(np.interp(chance, _CHANCES, self._values[drafted]))
