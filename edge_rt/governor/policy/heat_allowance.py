"""The watts that heat allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from edge_rt.core.limits import Observation
from edge_rt.thermal.model import ThermalModel

T = TypeVar("T")
_EVERY_S = 1.0
_BAND_C = 8.0  # proportional band below the limit, without a forecast
_RISE, _FALL = 0.1, 0.5  # rates in 1/s with which the allowance follows
_NOTHING_W = 1e-3  # smaller allowances are 0
_LASTING_S, _BLIND_C = 600.0, 5.0  # without a temperature: horizon, and margin below the limit
_TINY_C = 0.1  # least difference of two forecasts between which a line is drawn
_RAISED_C = 2.0  # a limit that is higher by less is the same one, of another zone
_COOLING_S = (5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 240.0, 480.0)


class Rarely(Generic[T]):
    """Works a figure out once a second, and whenever what it depends on changes."""

    def __init__(self) -> None:
        self._kept: tuple[float, Hashable, T] | None = None

    def get(self, time_s: float, of: Hashable, make: Callable[[], T]) -> T:
        """Return the figure `of` those things at `time_s`, perhaps a little old."""
        kept = self._kept
        if kept is None or kept[1] != of or not 0.0 <= time_s - kept[0] < _EVERY_S:
            self._kept = kept = time_s, of, make()
        return kept[2]


class HeatAllowance:
    """The watts that heat allows, smoothed over time.

    - with a forecast that is believed: the most watts that keep the limit over the horizon
    - without: proportional control, from full power to idle over the last kelvins below the limit
    - without a temperature: the watts that the forecast allows for long, or its last answer
    """

    def __init__(self, horizon_s: float) -> None:
        self._horizon_s = horizon_s
        self._power_w: float | None = None
        self._limit_c: float | None = None  # at the last update
        self._blind_w: float | None = None
        self._wanted: Rarely[float | None] = Rarely()

    def update(
        self,
        seen: Observation,
        thermal: ThermalModel | None,
        limit_c: float | None,
        idle_w: float,
        full_w: float,
    ) -> float | None:
        """Return the watts now; None: heat sets no limit.

        `full_w` is the power without any limit.
        """
        if limit_c is None or (self._limit_c is not None and limit_c > self._limit_c + _RAISED_C):
            self._power_w = None  # the allowance under a lower limit does not hold any more
        self._limit_c = limit_c
        of = limit_c, seen.temp_c is None, thermal is not None and thermal.believed
        wanted = self._wanted.get(
            seen.time_s, of, lambda: self._wanted_w(thermal, seen.temp_c, limit_c, idle_w, full_w)
        )
        if wanted is None:
            self._power_w = None
            return None
        wanted = min(max(wanted, 0.0), 2.0 * full_w)
        before = 2.0 * full_w if self._power_w is None else self._power_w
        speed = _RISE if wanted > before else _FALL
        power_w = before + (1.0 - math.exp(-speed * seen.dt_s)) * (wanted - before)
        self._power_w = power_w if power_w > _NOTHING_W else 0.0
        return self._power_w

    def _wanted_w(
        self,
        thermal: ThermalModel | None,
        temp_c: float | None,
        limit_c: float | None,
        idle_w: float,
        full_w: float,
    ) -> float | None:
        if limit_c is None:
            return None
        if temp_c is None:
            found = None if thermal is None else lasting_w(thermal, limit_c, idle_w, full_w)
            self._blind_w = self._blind_w if found is None else found
            return self._blind_w
        self._blind_w = None
        if thermal is not None and thermal.believed:
            forecast_w = thermal.most_power_w(limit_c, self._horizon_s)
            if forecast_w is not None:
                return forecast_w
        share = min(1.0, max(0.0, (limit_c - temp_c) / _BAND_C))
        return idle_w + share * (full_w - idle_w) if share < 1.0 else 2.0 * full_w


def lasting_w(thermal: ThermalModel, limit_c: float, idle_w: float, full_w: float) -> float | None:
    """Return watts that stay below the limit for long, by a straight line between two forecasts."""
    idle, full = (thermal.forecast(power_w, _LASTING_S) for power_w in (idle_w, full_w))
    if idle is None or full is None or full[0] - idle[0] < _TINY_C:
        return None
    share = (limit_c - _BLIND_C - idle[0]) / (full[0] - idle[0])
    return idle_w + share * (full_w - idle_w)


def cools_in_s(thermal: ThermalModel | None, idle_w: float, below_c: float) -> float | None:
    """Return seconds until an idle board is cooler than `below_c`; None: not known."""
    if thermal is None or not thermal.believed:
        return None
    for ahead_s in _COOLING_S:
        forecast = thermal.forecast(idle_w, ahead_s)
        if forecast is not None and forecast[0] < below_c:
            return ahead_s
    return _COOLING_S[-1]
