"""Forecasts, kept until the time comes that they were for."""

from __future__ import annotations

import math
from collections import deque

_EARLY_S = 0.5  # that a moment may come before the time of its forecast
_NEAR_S = 1.5  # between a moment and that time at most: moments are about a second apart

_NEVER = (-math.inf, math.nan, math.nan)


class Predictions:
    """Gives back what was forecast for each moment, made `horizon_s` before it."""

    def __init__(self, horizon_s: float) -> None:
        self._horizon_s = horizon_s
        self._told: deque[tuple[float, float, float]] = deque()  # when for, °C, band
        self._due = _NEVER
        self._last = -math.inf

    def due(
        self, time: float, forecast_c: float | None, band_c: float | None
    ) -> tuple[float, float]:
        """The forecast for `time`, in Unix seconds, and its band; NaN where there was none.

        `forecast_c` and `band_c` are what is forecast now.
        """
        if time < self._last:  # the clock was set back
            self._told.clear()
            self._due = _NEVER
        self._last = time
        if forecast_c is not None:
            band = math.nan if band_c is None else band_c
            self._told.append((time + self._horizon_s, forecast_c, band))
        while self._told and self._told[0][0] <= time + _EARLY_S:
            self._due = self._told.popleft()
        at, due_c, due_band_c = self._due
        return (due_c, due_band_c) if abs(time - at) <= _NEAR_S else (math.nan, math.nan)

    def __len__(self) -> int:
        """Forecasts whose time has not come."""
        return len(self._told)
