"""How far off recent forecasts were."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise

from edge_rt.thermal.course import TIMES_S
from edge_rt.thermal.trials import HORIZONS_S, Score

_KEPT = 96  # scores for each horizon: eight minutes
_COVERED = 0.95  # a little above the 90 % that are published: errors are correlated
_YOUNG = 36  # first scores, which all count; later the newest half does, up to _KEPT
_FEW = 8  # scores below which there is no width
_LAST = 3  # scores that count in full while the board is changing
_FARTHEST = 5.0  # of the longest horizon, up to which errors are taken to grow with time
_LEAST_K = 0.1
_STEP = 0.25  # by which the logarithm of the scale rises after a miss
_MISSES = 0.06  # share of misses at which the scale stays; misses are correlated too
_WIDEST = 8.0  # largest scale


class Errors:
    """Errors of forecasts for one horizon, and the half width to publish with the next one.

    The width is a quantile of recent errors, times a scale. Each miss raises the scale and each
    hit lowers it a little, so that the share of misses stays the same even if the board changes
    faster than the quantile. After adaptive conformal inference (Gibbs & Candès, arXiv
    2106.00170), our step and bounds.
    """

    def __init__(self, least: float = 1.0) -> None:
        """`least` is the lowest scale."""
        self.errors_k: deque[float] = deque(maxlen=_KEPT)
        self._count = 0
        self._log, self._logs = 0.0, (math.log(least), math.log(_WIDEST))

    def add(self, error_k: float, told_k: float) -> None:
        """Take the error of one forecast, which was published with a half width of `told_k`."""
        self.errors_k.append(abs(error_k))
        self._count += 1
        while len(self.errors_k) > max(_YOUNG, self._count // 2):
            self.errors_k.popleft()
        missed = 1.0 if abs(error_k) > told_k else 0.0
        low, high = self._logs
        self._log = min(high, max(low, self._log + _STEP * (missed - _MISSES)))

    @property
    def scale(self) -> float:
        """The factor of `width_k`."""
        return math.exp(self._log)

    @property
    def width_k(self) -> float:
        """The half width that holds nearly all recent errors; 0 as long as there are too few."""
        count = len(self.errors_k)
        if count < _FEW:
            return 0.0
        return sorted(self.errors_k)[min(count, math.ceil(_COVERED * (count + 1))) - 1]


class Band:
    """Half widths that hold nine of ten recent errors, never less for a longer horizon."""

    def __init__(self) -> None:
        self._errors = [Errors() for _ in HORIZONS_S]

    def add(self, score: Score) -> None:
        """Take the score of one forecast."""
        self._errors[score.index].add(score.error_k, score.told_k)

    def scored(self, index: int) -> int:
        """How many forecasts for HORIZONS_S[index] are remembered."""
        return len(self._errors[index].errors_k)

    def widths_k(self, count: int, grain_c: float, stale_s: float, wary: bool) -> list[float]:
        """At the first `count` times of a course.

        `grain_c` is the sensor's step, and `stale_s` the age of its last word. `wary`: the last
        few errors may come again in full.
        """
        knots = [(0.0, max(_LEAST_K, 0.5 * grain_c))]
        for horizon_s, errors in zip(HORIZONS_S, self._errors, strict=True):
            last = list(errors.errors_k)[-_LAST:] if wary else []
            knots.append((horizon_s, max([knots[-1][1], errors.width_k, *last])))
        last_s, last_k = knots[-1]
        knots.append((_FARTHEST * last_s, _FARTHEST * last_k))
        return [_on(knots, time_s + stale_s) for time_s in TIMES_S[:count]]

    def scales(self, count: int) -> list[float]:
        """The factors of the widths, at the first `count` times of a course."""
        pairs = zip(HORIZONS_S, self._errors, strict=True)
        knots = [(0.0, 1.0), *((horizon_s, errors.scale) for horizon_s, errors in pairs)]
        return [_on(knots, time_s) for time_s in TIMES_S[:count]]


def _on(knots: list[tuple[float, float]], time_s: float) -> float:
    """On straight lines between the knots, flat behind them."""
    for (start_s, start_k), (end_s, end_k) in pairwise(knots):
        if time_s <= end_s:
            return start_k + (end_k - start_k) * (time_s - start_s) / (end_s - start_s)
    return knots[-1][1]
