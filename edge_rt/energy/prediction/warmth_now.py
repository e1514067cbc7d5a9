"""How warm the board is, as predictions take it."""

from __future__ import annotations

from collections.abc import Callable

from edge_rt.core.limits import Observation
from edge_rt.energy.prediction.warmth import Warmth
from edge_rt.governor.heat.leakage_watch import LeakageWatch


class WarmthNow:
    """The present temperature, and what the chip leaks at work."""

    def __init__(self, seen: Callable[[], Observation | None], leakage: LeakageWatch) -> None:
        """`seen` is the governor's last look."""
        self._seen, self._leakage = seen, leakage

    def __call__(self) -> Warmth | None:
        """None while the temperature is not known."""
        seen = self._seen()
        if seen is None or seen.temp_c is None:
            return None
        leakage, rise = self._leakage.fit.leakage, self._leakage.voltage - 1.0
        return Warmth(seen.temp_c, lambda at_c: rise * leakage.power_w(at_c))
