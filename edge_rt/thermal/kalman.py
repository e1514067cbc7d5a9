"""Figures learnt from readings of weighted sums of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Weights = Mapping[int, float]  # by the figure's place; those that are not named count 0


class KalmanFilter:
    """Means and a covariance; unobserved figures return to the prior's uncertainty."""

    def __init__(self, mean: Sequence[float], covariance: Sequence[Sequence[float]]) -> None:
        """`covariance` tells how wrong the means may be, and which are wrong alike."""
        self.mean = list(mean)
        self._prior = [list(row) for row in covariance]
        self.covariance = [list(row) for row in covariance]

    def value(self, weights: Weights) -> float:
        """Return the weighted sum."""
        mean = self.mean
        return sum([mean[k] * weight for k, weight in weights.items()])

    def deviation(self, weights: Weights) -> float:
        """Return the standard deviation of that sum."""
        spread = self._spread(weights)
        return math.sqrt(max(0.0, sum([spread[k] * weight for k, weight in weights.items()])))

    def fade(self, share: float) -> None:
        """Bring the covariance back to the prior's by a share; the means stay."""
        share = min(1.0, max(0.0, share))
        for row, prior in zip(self.covariance, self._prior, strict=True):
            row[:] = [now + share * (then - now) for now, then in zip(row, prior, strict=True)]

    def drift(self, place: int, variance: float) -> None:
        """Add to the variance of one figure, which may have moved."""
        self.covariance[place][place] += variance

    def revert(self, place: int, share: float) -> None:
        """Move one figure a share of its way back to 0, as a disturbance decays."""
        keep = 1.0 - min(1.0, max(0.0, share))
        self.mean[place] *= keep
        for row in self.covariance:
            row[place] *= keep
        self.covariance[place] = [keep * value for value in self.covariance[place]]

    def correct(self, weights: Weights, value: float, variance: float) -> None:
        """Take a reading `value` of the weighted sum, with its `variance`."""
        error = value - self.value(weights)
        spread = self._spread(weights)
        total = sum([spread[k] * weight for k, weight in weights.items()]) + variance
        if not (math.isfinite(error) and total > 0.0):
            return
        moved = [place for place, known in enumerate(spread) if known]
        for k in moved:
            gain, row = spread[k] / total, self.covariance[k]
            self.mean[k] += gain * error
            for j in moved:
                row[j] -= gain * spread[j]

    def keep_within(self, place: int, low: float, high: float) -> None:
        """Move a figure outside its bounds to the nearest bound.

        The other figures move by their covariance with it: the mean is projected in that metric.
        """
        bound = min(max(self.mean[place], low), high)
        moved, variance = bound - self.mean[place], self.covariance[place][place]
        if not moved:
            return
        if variance > 0.0:
            for k, row in enumerate(self.covariance):
                self.mean[k] += row[place] / variance * moved
        self.mean[place] = bound

    def _spread(self, weights: Weights) -> list[float]:
        items = list(weights.items())
        return [sum([row[k] * weight for k, weight in items]) for row in self.covariance]
