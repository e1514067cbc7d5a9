"""How fast the engine is on each thread count, learnt from what happens when the count changes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from edge_rt.governor.belief import Belief

_SHARED = 0.3  # how wrong the share of memory in a pass may be, all counts alike
_OWN = 0.05  # and how rough the curve may be, from a count to the next
_NOISE = 0.02  # of a comparison between two counts
_FORGET_S = 300.0


class SpeedModel:
    """The logarithm of the speed by threads; only differences between counts mean anything.

    At first speed(n) = n/(1 + m·(n - 1)) with m the share of a pass that more threads do not
    shorten. Our own model.
    """

    def __init__(self, cores: int, memory: float, known: Mapping[int, float]) -> None:
        """`memory` is m, 0 to 1; `known` are tokens a second where they were measured."""
        self._cores = cores
        counts = range(1, cores + 1)
        mean = [math.log(n / (1.0 + memory * (n - 1))) for n in counts]
        if known:
            mean = [value + _offset(mean, known, n) for n, value in zip(counts, mean, strict=True)]
        slopes = [(n - 1) / (1.0 + memory * (n - 1)) for n in counts]
        self._belief = Belief(mean, _covariance(slopes))

    def speed(self, threads: int) -> float:
        """In units of its own."""
        return math.exp(self._belief.mean[self._place(threads)])

    def doubt(self, threads: int, other: int) -> float:
        """Standard deviation of the logarithm of the ratio between two counts."""
        return self._belief.deviation(self._weights(threads, other))

    def compare(self, threads: int, rate: float, other: int, other_rate: float) -> None:
        """Take rates that were measured one right after the other, on the same work."""
        if threads != other and rate > 0.0 and other_rate > 0.0:
            ratio = math.log(rate / other_rate)
            self._belief.correct(self._weights(threads, other), ratio, _NOISE**2)

    def fade(self, dt_s: float) -> None:
        """Let time pass."""
        self._belief.fade(dt_s / _FORGET_S)

    def _weights(self, threads: int, other: int) -> dict[int, float]:
        places = self._place(threads), self._place(other)
        return {places[0]: 1.0, places[1]: -1.0} if places[0] != places[1] else {}

    def _place(self, threads: int) -> int:
        return max(1, min(threads, self._cores)) - 1


def _offset(mean: Sequence[float], known: Mapping[int, float], threads: int) -> float:
    near = min(known, key=lambda count: abs(count - threads))
    return math.log(max(1e-9, known[near])) - mean[max(1, min(near, len(mean))) - 1]


def _covariance(slopes: Sequence[float]) -> list[list[float]]:
    def of(i: int, j: int) -> float:
        return _SHARED**2 * slopes[i] * slopes[j] + _OWN**2 * min(i, j)

    size = len(slopes)
    return [[of(i, j) for j in range(size)] for i in range(size)]
