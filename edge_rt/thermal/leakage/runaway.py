"""Where a chip that leaks more as it warms comes to rest, if it does.

T = ambient + R·(other + leakage(T)) has up to two solutions, for leakage is convex. The lower
one is stable: below the critical temperature a degree more heats the chip by less than that.
"""

from __future__ import annotations

import math

from edge_rt.thermal.leakage.leakage import Leakage

_HALVINGS = 100  # from any span of degrees down to what a float can tell apart


def critical_c(leakage: Leakage, resistance_c_per_w: float, voltage: float = 1.0) -> float:
    """From here on R·dP/dT >= 1: each degree heats the chip by another one. After QEIL v2, ours.

    Infinity where there is no leakage or no resistance.
    """
    gain = resistance_c_per_w * leakage.slope_w_per_c(leakage.reference_c, voltage)
    if gain <= 0.0:
        return math.inf
    return leakage.reference_c - leakage.doubling_c * math.log2(gain)


def runs_away(
    leakage: Leakage, resistance_c_per_w: float, temp_c: float, voltage: float = 1.0
) -> bool:
    """Whether a chip held at `temp_c` by its other power would warm on by itself."""
    return resistance_c_per_w * leakage.slope_w_per_c(temp_c, voltage) >= 1.0


def settled(
    leakage: Leakage,
    other_w: float,
    resistance_c_per_w: float,
    ambient_c: float,
    voltage: float = 1.0,
) -> float | None:
    """The steady temperature in °C with `other_w` beside the leakage; None: it runs away."""

    def excess_c(temp_c: float) -> float:
        power_w = other_w + leakage.power_w(temp_c, voltage)
        return ambient_c + resistance_c_per_w * power_w - temp_c

    low_c = ambient_c + resistance_c_per_w * other_w
    high_c = critical_c(leakage, resistance_c_per_w, voltage)
    if math.isinf(high_c):
        return low_c
    if low_c >= high_c or excess_c(high_c) > 0.0:
        return None
    for _ in range(_HALVINGS):  # the excess falls all the way from low_c to high_c
        middle_c = 0.5 * (low_c + high_c)
        if excess_c(middle_c) > 0.0:
            low_c = middle_c
        else:
            high_c = middle_c
    return high_c
