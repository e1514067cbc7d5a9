"""How far off recent forecasts were, the bands to publish, and whether the model is believed."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise
from typing import NamedTuple

from edge_rt.thermal.course import HORIZONS_S, TIMES_S, Score

WATCHED = 2  # of HORIZONS_S: the one that counts most
WATCHED_S = HORIZONS_S[WATCHED]
_NEEDED = 8  # forecasts for it that must have come out first
_BROAD_K = 5.0  # a band this wide says little
_TELLING = (1, 2)  # horizons at which misses count
_FAR = 1.3  # bands
_ROW = 2  # misses on one side, one after the other
_GOOD = {1: 4, 2: 4}  # hits in a row that bring belief back


class ForecastTrust:
    """Counts hits and misses of forecasts against the bands that were told with them."""

    def __init__(self) -> None:
        self.shaken = False  # the board has changed
        self._off_k = 0.0  # the last miss
        self._misses = [0] * len(HORIZONS_S)  # in a row, negative: on the cold side
        self._hits = [0] * len(HORIZONS_S)

    def judge(self, score: Score) -> bool:
        """Judge a forecast by its score; return True for one miss too many."""
        index, error_k = score.index, score.error_k
        if abs(error_k) <= _FAR * score.band_k:
            self._misses[index] = 0
            self._hits[index] += 1
            if all(self._hits[i] >= enough for i, enough in _GOOD.items()):
                self.shaken = False
            return False
        side = int(math.copysign(1.0, error_k))
        run = self._misses[index]
        self._misses[index] = run + side if run * side > 0 else side
        self._hits[index] = 0
        if index not in _TELLING or abs(self._misses[index]) < _ROW:
            return False
        self.shaken, self._off_k = True, error_k
        return True

    def why_not(self, scored: int, width_k: float) -> str | None:
        """Return why forecasts are not believed; None: they are."""
        if self.shaken:
            side = "low" if self._off_k > 0.0 else "high"
            return (
                f"the last forecasts were {abs(self._off_k):.1f} K too {side}: the fan or the air "
                "may have changed"
            )
        if scored < _NEEDED:
            return "it has not watched the board for long enough"
        if width_k > _BROAD_K:
            return f"a forecast for {WATCHED_S:g} s may be off by {width_k:.1f} K"
        return None


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
        self._errors[score.index].add(score.error_k, score.told_k)

    def scored(self, index: int) -> int:
        """How many forecasts for HORIZONS_S[index] are remembered."""
        return len(self._errors[index].errors_k)

    def widths_k(self, count: int, grain_c: float, stale_s: float, wary: bool) -> list[float]:
        """Return half widths at the first `count` times of a course.

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
    """Interpolate linearly between the knots; the last one holds behind them."""
    for (start_s, start_k), (end_s, end_k) in pairwise(knots):
        if time_s <= end_s:
            return start_k + (end_k - start_k) * (time_s - start_s) / (end_s - start_s)
    return knots[-1][1]


_EVERY_S = 5.0  # between two forecasts that are remembered
_LEAST = 0.5  # least width, over that of recent errors
_LATE_S = 2.0  # latest that a temperature may come after the time of its forecast


class _Told(NamedTuple):
    due_s: float
    temp_c: float
    band_k: float


class Hindsight:
    """Half widths for forecasts that assume constant power, which seldom stays constant.

    A model's own band holds if the power is as assumed. The published band has to hold for any
    power, so it is at least as wide as the errors of recent forecasts.
    """

    def __init__(self, horizon_s: float) -> None:
        self._horizon_s = horizon_s
        self._told: deque[_Told] = deque()
        self._errors = Errors(_LEAST)

    def look(self, time_s: float, temp_c: float | None) -> None:
        """Take the present temperature, and score the forecasts that were made for this time."""
        while self._told and self._told[0].due_s <= time_s:
            told = self._told.popleft()
            if temp_c is not None and time_s - told.due_s <= _LATE_S:
                self._errors.add(temp_c - told.temp_c, told.band_k)

    def band_k(self, time_s: float, temp_c: float, band_k: float) -> float:
        """The half width to publish with a forecast of `temp_c`; `band_k` is the model's own."""
        told_k = max(band_k, self._errors.width_k * self._errors.scale)
        due_s = time_s + self._horizon_s
        if self._told and due_s < self._told[-1].due_s:  # the clock was set back
            self._told.clear()
        if not self._told or due_s - self._told[-1].due_s >= _EVERY_S:
            self._told.append(_Told(due_s, temp_c, told_k))
        return told_k
