"""The states that the board's temperature puts the daemon in."""

from __future__ import annotations

from edge_rt.core.limits import Guard, Observation
from edge_rt.governor.policy.settings import Settings

BLIND_S = 60.0  # without a temperature, after which a stop ends: no cooling can be seen
STATES: tuple[Guard, ...] = ("ok", "caution", "hold", "evacuate")

_NOISE_K = 2.0  # of the difference of two zones


class Lead:
    """Kelvins by which the hottest zone exceeds the zone nearest to its trip point, smoothed.

    Forecasts are of the hottest zone, so its limits are higher by this.
    """

    def __init__(self) -> None:
        self.kelvin = 0.0

    def look(self, seen: Observation) -> None:
        """Take the difference, unless it cannot be read or has hardly changed."""
        if seen.temp_c is None or seen.guarded_c is None:
            return
        kelvin = max(0.0, seen.temp_c - seen.guarded_c)
        if not kelvin or abs(kelvin - self.kelvin) > _NOISE_K:
            self.kelvin = kelvin


class GuardState:
    """Climbs at shares of the trip point, and comes down some kelvin below them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.state: Guard = "ok"
        self._blind_s = 0.0

    def thresholds_c(self, trip_c: float) -> tuple[float, float, float]:
        """Where caution, hold and evacuate begin."""
        known = self._settings
        return known.caution * trip_c, known.hold * trip_c, known.evacuate * trip_c

    def update(self, temp_c: float | None, trip_c: float | None, dt_s: float = 0.0) -> Guard:
        """The state now, `dt_s` after the last one.

        It stays while either temperature is unknown, but a stop only for a minute.
        """
        if temp_c is None or trip_c is None:
            self._blind_s += dt_s
            if self.state == "evacuate" and self._blind_s >= BLIND_S:
                self.state = "hold"
            return self.state
        self._blind_s = 0.0
        level = STATES.index(self.state)
        limits = self.thresholds_c(trip_c)
        while level < len(limits) and temp_c >= limits[level]:
            level += 1
        while level and temp_c < limits[level - 1] - self._settings.hysteresis_c:
            level -= 1
        self.state = STATES[level]
        return self.state

    def leaves_c(self, trip_c: float) -> float:
        """The temperature below which the present state is left; the trip point in "ok"."""
        level = STATES.index(self.state)
        if not level:
            return trip_c
        return self.thresholds_c(trip_c)[level - 1] - self._settings.hysteresis_c
