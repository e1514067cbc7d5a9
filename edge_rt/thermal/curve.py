"""The curve of idle power over temperature, P = floor + reference · 2^((T - 45 °C)/doubling).

For a given doubling the curve is a straight line in 2^(…), so only the doubling is searched for.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_rt.thermal.leakage import Leakage

DOUBLING_LOW_C, DOUBLING_HIGH_C = 8.0, 40.0  # what any chip may have
_GRID = 25
_GOLDEN = 0.5 * (math.sqrt(5.0) - 1.0)
_REFINEMENTS = 25
_NORMAL = 1.96  # two-sided 95 %
_LEAST_FREEDOM = 2.0
_UNSURE_C = 0.1  # of a temperature: sensors lag, and round
_TEMPS_C, _POWERS_W, _VOLTAGES = (-60.0, 200.0), (0.0, 1e4), (0.01, 10.0)  # what can be


@dataclass(frozen=True, order=True)
class Idle:
    """Power of an idle board; `voltage` as in `Leakage`, where it is not always the same."""

    temp_c: float
    power_w: float
    voltage: float = 1.0

    @property
    def possible(self) -> bool:
        """False for what no sensor of a working board says, and for what is no number."""
        return (
            _TEMPS_C[0] <= self.temp_c <= _TEMPS_C[1]
            and _POWERS_W[0] <= self.power_w <= _POWERS_W[1]
            and _VOLTAGES[0] <= self.voltage <= _VOLTAGES[1]
        )


@dataclass(frozen=True, order=True)
class Point(Idle):
    """The mean of readings at about the same temperature."""

    weight: float = 1.0


@dataclass(frozen=True)
class Curve:
    """What fits best for one doubling, and the weighted sum of squares that it leaves."""

    leakage: Leakage
    floor_w: float
    squares: float

    def miss_w(self, seen: Idle) -> float:
        """How much more was drawn than the curve says."""
        return seen.power_w - self.floor_w - self.leakage.power_w(seen.temp_c, seen.voltage)


def curve_at(points: Sequence[Point], doubling_c: float) -> Curve:
    """The best floor and reference, neither below 0, for a doubling of `doubling_c`."""
    unit = Leakage(1.0, doubling_c)
    shapes = [unit.power_w(p.temp_c, p.voltage) for p in points]
    reference_w, floor_w = _line(points, shapes)
    if floor_w < 0.0:
        reference_w, floor_w = _through_zero(points, shapes), 0.0
    known = Curve(Leakage(reference_w, doubling_c), floor_w, 0.0)
    return replace(known, squares=math.fsum(p.weight * known.miss_w(p) ** 2 for p in points))


def _line(points: Sequence[Point], shapes: Sequence[float]) -> tuple[float, float]:
    """Slope, not below 0, and height at 0 of power over `shapes`."""
    weight = math.fsum(p.weight for p in points)
    shape = math.fsum(p.weight * x for p, x in zip(points, shapes, strict=True)) / weight
    power_w = math.fsum(p.weight * p.power_w for p in points) / weight
    along = math.fsum(p.weight * (x - shape) ** 2 for p, x in zip(points, shapes, strict=True))
    both = math.fsum(
        p.weight * (x - shape) * (p.power_w - power_w) for p, x in zip(points, shapes, strict=True)
    )
    slope = max(0.0, both / along) if along > 0.0 else 0.0
    return slope, power_w - slope * shape


def _through_zero(points: Sequence[Point], shapes: Sequence[float]) -> float:
    both = math.fsum(p.weight * x * p.power_w for p, x in zip(points, shapes, strict=True))
    return both / math.fsum(p.weight * x * x for p, x in zip(points, shapes, strict=True))


def best_curve(points: Sequence[Point]) -> Curve:
    """The doubling between 8 and 40 K that fits best: a grid, then golden sections."""
    ratio = (DOUBLING_HIGH_C / DOUBLING_LOW_C) ** (1.0 / (_GRID - 1))
    grid = [DOUBLING_LOW_C * ratio**n for n in range(_GRID)]
    start = min(grid, key=lambda doubling_c: curve_at(points, doubling_c).squares)
    low, high = max(grid[0], start / ratio), min(grid[-1], start * ratio)
    for _ in range(_REFINEMENTS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if curve_at(points, left).squares < curve_at(points, right).squares:
            high = right
        else:
            low = left
    return curve_at(points, 0.5 * (low + high))


def r_squared(curve: Curve, points: Sequence[Point]) -> float:
    """The share of the power's weighted variance that the curve explains."""
    weight = math.fsum(p.weight for p in points)
    mean_w = math.fsum(p.weight * p.power_w for p in points) / weight
    spread = math.fsum(p.weight * (p.power_w - mean_w) ** 2 for p in points)
    return 1.0 - curve.squares / spread if spread > 0.0 else 0.0


def doubling_interval(curve: Curve, points: Sequence[Point]) -> tuple[float, float]:
    """95 % interval of the doubling, from the profile likelihood, within 8 to 40 K.

    The points are in the order of temperature. Neighbours that miss to the same side count for
    less than one sample each, and no point is trusted beyond a tenth of a degree.
    """
    freedom = max(_LEAST_FREEDOM, _effective(curve, points) - 3.0)
    middle_c = 0.5 * (points[0].temp_c + points[-1].temp_c)
    unsure_w = _UNSURE_C * curve.leakage.slope_w_per_c(middle_c, points[0].voltage)
    most = curve.squares + _student(freedom) ** 2 * (curve.squares / freedom + unsure_w**2)
    best_c = curve.leakage.doubling_c
    return (
        _crossing(points, most, best_c, DOUBLING_LOW_C),
        _crossing(points, most, best_c, DOUBLING_HIGH_C),
    )


def _crossing(points: Sequence[Point], most: float, inside_c: float, outside_c: float) -> float:
    """The doubling on the way to `outside_c` where the squares reach `most`, or that end."""
    if curve_at(points, outside_c).squares <= most:
        return outside_c
    for _ in range(_REFINEMENTS):
        middle_c = 0.5 * (inside_c + outside_c)
        if curve_at(points, middle_c).squares <= most:
            inside_c = middle_c
        else:
            outside_c = middle_c
    return outside_c


def _effective(curve: Curve, points: Sequence[Point]) -> float:
    """How many independent points these are worth: n·(1 - r)/(1 + r) for a correlation r."""
    misses = [math.sqrt(p.weight) * curve.miss_w(p) for p in points]
    own = math.fsum(miss * miss for miss in misses)
    next_ = math.fsum(a * b for a, b in itertools.pairwise(misses))
    alike = max(0.0, next_ / own) if own > 0.0 else 0.0
    return len(points) * (1.0 - alike) / (1.0 + alike)


def _student(freedom: float) -> float:
    """The 97.5 % quantile of Student's t, by its expansion around the normal's (Fisher)."""
    z, n = _NORMAL, freedom
    first = (z**3 + z) / (4.0 * n)
    second = (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / (96.0 * n * n)
    return z + first + second
