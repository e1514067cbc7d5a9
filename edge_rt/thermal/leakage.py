"""Leakage: the power that a chip draws for being warm, and what it leaves of the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass

REFERENCE_C = 45.0
DOUBLING_C = 20.0  # a subthreshold calculation over plausible chips gives 13 to 31 K
VOLTAGE_FLOOR = 0.6  # of the voltage at the top clock: what cores need at the lowest ones, about
_MOST_DOUBLINGS = 1000.0  # keeps absurd temperatures within what a float holds


@dataclass(frozen=True)
class Leakage:
    """P(T, V) = reference_w · V · 2^((T - reference_c) / doubling_c).

    V is the core's voltage as a fraction of the one that `reference_w` was measured at. After
    QEIL v2 (arXiv 2602.06057), our formula; that leakage grows exponentially from 20 to 85 °C is
    measured in arXiv 1404.3381.
    """

    reference_w: float
    doubling_c: float = DOUBLING_C
    reference_c: float = REFERENCE_C

    def power_w(self, temp_c: float, voltage: float = 1.0) -> float:
        """Watts at `temp_c`."""
        doublings = (temp_c - self.reference_c) / self.doubling_c
        return self.reference_w * voltage * 2.0 ** min(doublings, _MOST_DOUBLINGS)

    def slope_w_per_c(self, temp_c: float, voltage: float = 1.0) -> float:
        """Watts that one more degree costs at `temp_c`."""
        return self.power_w(temp_c, voltage) * math.log(2.0) / self.doubling_c


def voltage(clock: float) -> float:
    """The voltage that cores need at `clock`, both as shares of those at the top; our formula."""
    return VOLTAGE_FLOOR + (1.0 - VOLTAGE_FLOOR) * clock


def phi(leakage: Leakage, dynamic_w: float, temp_c: float, voltage: float = 1.0) -> float:
    """The thermal yield: the share of the chip's power that does switching work, 0 to 1.

    Phi(T) = dynamic_w / (dynamic_w + leakage). QEIL v2 names the yield; the formula is ours,
    after it. 0 where nothing is switched.
    """
    if dynamic_w <= 0.0:
        return 0.0
    return dynamic_w / (dynamic_w + leakage.power_w(temp_c, voltage))


def critical_c(leakage: Leakage, resistance_c_per_w: float, voltage: float = 1.0) -> float:
    """Return the temperature from which on R·dP/dT >= 1: each degree heats the chip by another one.

    T = ambient + R·(other + leakage(T)) has up to two solutions, since leakage is convex; the one
    below this temperature is stable. Ours, after QEIL v2 (arXiv 2602.06057).

    Infinity where there is no leakage or no resistance.
    """
    gain = resistance_c_per_w * leakage.slope_w_per_c(leakage.reference_c, voltage)
    if gain <= 0.0:
        return math.inf
    return leakage.reference_c - leakage.doubling_c * math.log2(gain)
