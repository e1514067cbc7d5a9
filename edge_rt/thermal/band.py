"""How far off recent forecasts were, the bands to publish, and whether the model is believed."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from edge_rt.thermal.course import HORIZONS_S, Forecast, Score

WATCHED_S = HORIZONS_S[-1]
NEEDED = 8  # forecasts for it that must have come out first
_BROAD_K = 5.0  # a band this wide says little
_FAR, _FAR_K = 1.3, 0.5  # bands and kelvins, within which an error is no miss
_ROW = 2  # misses on one side, one after the other
_GOOD = 4  # hits in a row at each horizon that bring belief back

_KEPT = 96  # errors: eight minutes
_COVERED = 0.97  # above the 90 % that are published: errors are correlated, and boards change
_STEP = 0.25  # by which the logarithm of the scale rises after a miss
_MISSES = 0.06  # share of misses at which the scale stays; misses are correlated too
_WIDEST = 8.0  # largest scale
_NARROWEST = 0.25  # least factor

_EVERY_S = 5.0  # between two forecasts that are scored
_LEAST = 0.5  # least scale of what is published, over that of recent errors
_LATE_S = 2.0  # latest that a temperature may come after the time of its forecast


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
        if abs(error_k) <= max(_FAR_K, _FAR * score.band_k):
            self._misses[index] = 0
            self._hits[index] += 1
            self.shaken = self.shaken and min(self._hits) < _GOOD
            return False
        side = int(math.copysign(1.0, error_k))
        run = self._misses[index]
        self._misses[index] = run + side if run * side > 0 else side
        self._hits[index] = 0
        if abs(self._misses[index]) < _ROW:
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
        if scored < NEEDED:
            return "it has not watched the board for long enough"
        if width_k > _BROAD_K:
            return f"a forecast for {WATCHED_S:g} s may be off by {width_k:.1f} K"
        return None


class ErrorScale:
    """How many times wider than expected a band has to be to hold nine of ten errors.

    factor = quantile of recent |error| / expected · scale

    Each miss raises the scale and each hit lowers it a little, so that the share of misses stays
    the same even if the board changes faster than the quantile. After adaptive conformal inference
    (Gibbs & Candès, arXiv 2106.00170), our step and bounds.
    """

    def __init__(self, least: float = 1.0) -> None:
        """`least` is the lowest scale."""
        self._ratios: deque[float] = deque(maxlen=_KEPT)
        self._log, self._logs = 0.0, (math.log(least), math.log(_WIDEST))

    def add(self, ratio: float, told: float) -> None:
        """Take |error| / expected of one forecast, which was published with the factor `told`."""
        self._ratios.append(ratio)
        low, high = self._logs
        missed = 1.0 if ratio > told else 0.0
        self._log = min(high, max(low, self._log + _STEP * (missed - _MISSES)))

    @property
    def count(self) -> int:
        """The number of errors that are remembered."""
        return len(self._ratios)

    @property
    def quantile(self) -> float:
        """What holds nearly all recent errors; 1 as long as there are too few."""
        count = len(self._ratios)
        if count < NEEDED:
            return 1.0
        place = min(count, math.ceil(_COVERED * (count + 1))) - 1
        return max(_NARROWEST, sorted(self._ratios)[place])

    @property
    def factor(self) -> float:
        """The factor to publish with."""
        return self.quantile * math.exp(self._log)


class _Told(NamedTuple):
    due_s: float
    temp_c: float
    expected_k: float
    factor: float


class Hindsight:
    """Half widths for forecasts that assume constant power, which seldom stays constant.

    A model's own band holds if the power is as assumed. The published band has to hold for any
    power, so it is widened as the errors of recent forecasts ask for.
    """

    def __init__(self, horizon_s: float) -> None:
        self.due: Forecast | None = None  # what was forecast for now; None: nothing
        self._horizon_s = horizon_s
        self._told: deque[_Told] = deque()
        self._last: _Told | None = None  # of those whose time has come
        self._scale, self._scored_s = ErrorScale(_LEAST), -math.inf

    def look(self, time_s: float, temp_c: float | None) -> None:
        """Take the present temperature, and score the forecasts that were made for this time."""
        while self._told and self._told[0].due_s <= time_s:
            self._last = told = self._told.popleft()
            if told.due_s - self._scored_s < _EVERY_S or temp_c is None:
                continue
            if time_s - told.due_s <= _LATE_S:
                self._scored_s = told.due_s
                self._scale.add(abs(temp_c - told.temp_c) / told.expected_k, told.factor)
        last = self._last
        if last is None or time_s - last.due_s > _LATE_S:
            self.due = None
        else:
            self.due = Forecast(last.temp_c, last.expected_k * last.factor)

    def band_k(self, time_s: float, temp_c: float, band_k: float) -> float:
        """Return the half width of a forecast of `temp_c`; `band_k` is the model's own."""
        factor = max(1.0, self._scale.factor)
        self._told.append(_Told(time_s + self._horizon_s, temp_c, band_k, factor))
        return factor * band_k
