"""How far answers come from what was expected of them, as one factor that follows them."""

from __future__ import annotations

import math
from dataclasses import dataclass

HALF = 0.6745  # of a normal deviation, within which half of all values lie
KEPT = 0.8  # of the weight of what came before, at each answer
WILD = 3.0  # deviations; what is further off counts as no more
LEAST = 0.05  # deviation of answers whose speed does not vary, as far as is known


def deviation_of(error_ratio: float) -> float:
    """Return the standard deviation of log errors, half of which stay within log(1 + ratio)."""
    return math.log1p(error_ratio) / HALF


def error_ratio_of(deviation: float) -> float:
    """Return the error that half of all answers stay within: 0.1 is up to 1.1 times as much."""
    return math.expm1(HALF * deviation)


@dataclass
class Drift:
    """The mean of log(came / expected), each answer with KEPT of the weight of the next.

    `deviation` is that of the latest answers from the mean before them.
    """

    deviation: float
    weight: float = 0.0
    mean: float = 0.0

    @property
    def factor(self) -> float:
        """The factor on what is expected."""
        return math.exp(self.mean)

    def add(self, came: float, expected: float) -> None:
        """Take an answer; one that is not above 0 teaches nothing."""
        if not (0.0 < came < math.inf and 0.0 < expected < math.inf):
            return
        error = math.log(came) - math.log(expected) - self.mean
        if self.weight == 0.0:  # it tells nothing of how far answers lie apart
            self.mean, self.weight = error, 1.0
            return
        most = WILD * max(LEAST, self.deviation)
        error = min(most, max(-most, error))
        self.weight = KEPT * self.weight + 1.0
        self.mean += error / self.weight
        self.deviation = math.sqrt(self.deviation**2 + (error**2 - self.deviation**2) / self.weight)
