"""Readings of temperature, power and fan, as the thermal model takes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

GAP_S = 5.0  # not seen for longer, a board may have done anything
_GRAIN_C = 1.0  # of the coarsest sensors, until finer steps are seen
_FINEST_C = 0.01
_JUMP_C = 8.0  # between two temperatures; what is farther off has to be seen twice
_SEEN_C = (-60.0, 200.0)
_LEAST_W = -10.0  # sensors with an offset read a little below nothing
_ERROR_C = 0.1  # that sensors have besides their steps
_SOONEST_S = 1e-3  # between two readings; what comes faster tells nothing
_USUAL_S = 0.2  # between readings whose errors are taken to be independent


@dataclass(frozen=True)
class ThermalReading:
    """What happened in the last `dt_s`; `known` tells whether the power was read."""

    dt_s: float
    temp_c: float | None
    power_w: float
    known: bool
    fan: float
    error_c: float  # standard deviation of `temp_c`
    gap: bool  # after a pause so long that the state is taken again


class ReadingFilter:
    """Holds the last power and drive of the fan where they are missing."""

    def __init__(self, most_w: float = 10_000.0) -> None:
        """No board of this kind draws more than `most_w`."""
        self.temp_c: float | None = None  # the last one
        self.power_w: float | None = None
        self.fan = 0.0  # the last drive; 0 where none was read
        self.blind_s = 0.0  # since the last temperature
        self.grain_c = _GRAIN_C  # the smallest step of the temperature so far
        self._powers_w = (_LEAST_W, most_w)
        self._doubted_c: float | None = None  # has come once, far from the ones before
        self._time_s: float | None = None

    def take(
        self, time_s: float, temp_c: float | None, power_w: float | None, fan: float | None
    ) -> ThermalReading | None:
        """Return the next reading.

        None where it is out of order, or as long as no power was seen.
        """
        last_s = time_s - GAP_S - 1.0 if self._time_s is None else self._time_s
        dt_s = time_s - last_s
        if not math.isfinite(dt_s) or -GAP_S < dt_s < _SOONEST_S:
            return None
        self._time_s = time_s
        gap = not _SOONEST_S <= dt_s <= GAP_S
        temp_c = self._seen_c(_possible(temp_c, *_SEEN_C), max(0.0, dt_s), gap)
        power_w = _possible(power_w, *self._powers_w)
        self.fan = self.fan if fan is None or math.isnan(fan) else min(1.0, max(0.0, fan))
        self.power_w = self.power_w if power_w is None else max(0.0, power_w)
        if self.power_w is None:
            return None
        known, error_c = power_w is not None, self._error_c(dt_s)
        return ThermalReading(dt_s, temp_c, self.power_w, known, self.fan, error_c, gap)

    def _seen_c(self, temp_c: float | None, dt_s: float, gap: bool) -> float | None:
        """Return the temperature, if it counts: buses garble a reading now and then."""
        if temp_c is None or not (self._likely(temp_c) or (gap and self.temp_c is not None)):
            self._doubted_c = self._doubted_c if temp_c is None else temp_c
            self.blind_s += dt_s
            return None
        step_c = 0.0 if self.temp_c is None else abs(temp_c - self.temp_c)
        if step_c >= _FINEST_C:
            self.grain_c = min(self.grain_c, step_c)
        self.temp_c, self._doubted_c, self.blind_s = temp_c, None, 0.0
        return temp_c

    def _likely(self, temp_c: float) -> bool:
        near = (self.temp_c, self._doubted_c)
        return any(c is not None and abs(temp_c - c) <= _JUMP_C for c in near)

    def _error_c(self, dt_s: float) -> float:
        """Return the error of a reading.

        Rounding repeats itself as long as little changes, so it counts for twice its size.
        """
        once_c = math.sqrt(self.grain_c**2 / 3.0 + _ERROR_C**2)
        return once_c * math.sqrt(max(1.0, _USUAL_S / max(dt_s, _SOONEST_S)))


def _possible(value: float | None, low: float, high: float) -> float | None:
    return value if value is not None and low <= value <= high else None
