"""Past forecasts compared with the temperatures that came."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from edge_rt.thermal.band import Errors

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
