"""Forecasts that were told, held against what came."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from edge_rt.thermal.band import Errors

_EVERY_S = 5.0  # between two forecasts that are remembered
_LEAST = 0.5  # of what recent errors ask for
_LATE_S = 2.0  # that a temperature may come after the time of its forecast


class _Told(NamedTuple):
    due_s: float
    temp_c: float
    band_k: float


class Hindsight:
    """Half widths for forecasts that take the power to stay as it is, which it seldom does.

    A model's own band is right for the power that comes. What is told to people has to hold
    whatever comes, so it is at least as wide as recent forecasts were off in the end.
    """

    def __init__(self, horizon_s: float) -> None:
        self._horizon_s = horizon_s
        self._told: deque[_Told] = deque()
        self._errors = Errors(_LEAST)

    def look(self, time_s: float, temp_c: float | None) -> None:
        """Take the temperature of now, and judge the forecasts that were for now."""
        while self._told and self._told[0].due_s <= time_s:
            told = self._told.popleft()
            if temp_c is not None and time_s - told.due_s <= _LATE_S:
                self._errors.add(temp_c - told.temp_c, told.band_k)

    def band_k(self, time_s: float, temp_c: float, band_k: float) -> float:
        """The half width to tell with a forecast of `temp_c`, whose model asks for `band_k`."""
        told_k = max(band_k, self._errors.width_k * self._errors.scale)
        due_s = time_s + self._horizon_s
        if self._told and due_s < self._told[-1].due_s:  # time began anew
            self._told.clear()
        if not self._told or due_s - self._told[-1].due_s >= _EVERY_S:
            self._told.append(_Told(due_s, temp_c, told_k))
        return told_k
