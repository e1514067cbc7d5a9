"""How far off forecasts were lately."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise

from edge_rt.thermal.course import TIMES_S
from edge_rt.thermal.trials import HORIZONS_S, Score

_KEPT = 96  # scores for each horizon: eight minutes
_COVERED = 0.95  # a little above the 90 % that are told: errors come in rows
_YOUNG = 36  # scores that count from the start; later the last half do, up to all that are kept
_FEW = 8  # scores that say nothing yet
_LAST = 3  # scores that count in full while the board is changing
_FARTHEST = 5.0  # of the longest horizon, up to which errors are taken to grow with time
_LEAST_K = 0.1


class Band:
    """Half widths that hold nine of ten recent errors, never less for a longer horizon."""

    def __init__(self) -> None:
        self._errors_k: list[deque[float]] = [deque(maxlen=_KEPT) for _ in HORIZONS_S]
        self._counts = [0] * len(HORIZONS_S)

    def add(self, score: Score) -> None:
        """Take in how one forecast came out."""
        errors_k = self._errors_k[score.index]
        errors_k.append(abs(score.error_k))
        self._counts[score.index] += 1
        while len(errors_k) > max(_YOUNG, self._counts[score.index] // 2):
            errors_k.popleft()

    def scored(self, index: int) -> int:
        """How many forecasts for HORIZONS_S[index] are remembered."""
        return len(self._errors_k[index])

    def widths_k(self, count: int, grain_c: float, stale_s: float, wary: bool) -> list[float]:
        """At the first `count` times of a course.

        `grain_c` is the sensor's step, and `stale_s` the age of its last word. `wary`: the last
        few errors may come again in full.
        """
        knots = [(0.0, max(_LEAST_K, 0.5 * grain_c))]
        for horizon_s, errors in zip(HORIZONS_S, self._errors_k, strict=True):
            lately = list(errors)[-_LAST:] if wary else []
            knots.append((horizon_s, max([knots[-1][1], _quantile(errors), *lately])))
        last_s, last_k = knots[-1]
        knots.append((_FARTHEST * last_s, _FARTHEST * last_k))
        return [_on(knots, time_s + stale_s) for time_s in TIMES_S[:count]]


def _on(knots: list[tuple[float, float]], time_s: float) -> float:
    """On straight lines between the knots, flat behind them."""
    for (start_s, start_k), (end_s, end_k) in pairwise(knots):
        if time_s <= end_s:
            return start_k + (end_k - start_k) * (time_s - start_s) / (end_s - start_s)
    return knots[-1][1]


def _quantile(errors_k: deque[float]) -> float:
    count = len(errors_k)
    if count < _FEW:
        return 0.0
    return sorted(errors_k)[min(count, math.ceil(_COVERED * (count + 1))) - 1]
