"""Readings as they come in, in order and without what cannot be true."""

from __future__ import annotations

import math
from dataclasses import dataclass

GAP_S = 5.0  # not seen for longer, a board may have done anything
_GRAIN_C = 1.0  # of the coarsest sensors, until finer steps are seen
_FINEST_C = 0.01
_TEMPS_C = (-60.0, 200.0)
_POWERS_W = (-10.0, 10_000.0)  # sensors with an offset read a little below nothing
_ERROR_C = 0.1  # that sensors have besides their steps
_USUAL_S = 0.2  # between readings whose errors are taken to be independent


@dataclass(frozen=True)
class Reading:
    """What happened in the last `dt_s`; `known` tells whether the power was read."""

    dt_s: float
    temp_c: float | None
    power_w: float
    known: bool
    fan: float
    error_c: float  # standard deviation of `temp_c`
    gap: bool  # nothing, or no temperature, was seen for so long that it starts anew


class Intake:
    """Holds the last power and drive of the fan where they are missing."""

    def __init__(self) -> None:
        self.temp_c: float | None = None  # the last one
        self.power_w: float | None = None
        self.blind_s = 0.0  # since the last temperature
        self.grain_c = _GRAIN_C  # the smallest step of the temperature so far
        self._time_s: float | None = None
        self._fan = 0.0

    def take(
        self, time_s: float, temp_c: float | None, power_w: float | None, fan: float | None
    ) -> Reading | None:
        """The next reading; None where it is out of order, or as long as no power was seen."""
        last_s = time_s - GAP_S - 1.0 if self._time_s is None else self._time_s
        dt_s = time_s - last_s
        if not math.isfinite(dt_s) or -GAP_S < dt_s <= 0.0:
            return None
        self._time_s = time_s
        temp_c, power_w = _within(temp_c, *_TEMPS_C), _within(power_w, *_POWERS_W)
        fan = None if fan is None or math.isnan(fan) else min(1.0, max(0.0, fan))
        self._fan = self._fan if fan is None else fan
        self.power_w = self.power_w if power_w is None else max(0.0, power_w)
        gap = not 0.0 < dt_s <= GAP_S or (temp_c is not None and self.blind_s > GAP_S)
        self._see(temp_c, max(0.0, dt_s))
        if self.power_w is None:
            return None
        known, error_c = power_w is not None, self._error_c(dt_s)
        return Reading(dt_s, temp_c, self.power_w, known, self._fan, error_c, gap)

    @property
    def fan(self) -> float:
        """The last drive of the fan; 0 where none was read."""
        return self._fan

    def _see(self, temp_c: float | None, dt_s: float) -> None:
        if temp_c is None:
            self.blind_s += dt_s
            return
        step_c = 0.0 if self.temp_c is None else abs(temp_c - self.temp_c)
        if step_c >= _FINEST_C:
            self.grain_c = min(self.grain_c, step_c)
        self.temp_c, self.blind_s = temp_c, 0.0

    def _error_c(self, dt_s: float) -> float:
        """Rounding repeats itself as long as little changes, so it counts for twice its size."""
        once_c = math.sqrt(self.grain_c**2 / 3.0 + _ERROR_C**2)
        return once_c * math.sqrt(max(1.0, _USUAL_S / max(dt_s, 1e-6)))


def _within(value: float | None, low: float, high: float) -> float | None:
    return value if value is not None and low <= value <= high else None
