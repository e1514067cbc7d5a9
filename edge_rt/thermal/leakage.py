"""Leakage, the power that a chip draws for being warm, and the idle readings that tell it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median

from edge_rt.thermal.idle import Stretch

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


WARM_C = 70.0  # growth is that from the reference temperature to this one
_KELVIN = 273.15
_HALF_VISITS = 2.0  # visits at which a cell has half of its full weight
_SHAPES_C = (13.0, 31.0)  # doublings of the two curves whose sum is the smooth curve
_ROUNDS = 5  # of iteratively reweighted least squares
_NEAR = 1.5  # times the median residual; beyond it, weights fall with the residual (Huber)
_FAR = 4.0  # standard deviations beyond which a cell is an outlier
_TO_DEVIATION = 1.4826  # deviation over the median absolute residual, of a normal distribution
_SURE = 0.05  # share of the power; smaller residuals are no outliers, as steps of coarse sensors
_INFLATED = 1.5  # factor of the variance, for errors that do not scatter like noise
_LEAST_W, _UNSURE_C = 1e-3, 0.1  # deviations of power and temperature by rounding and lag
_FEWEST_FREE = 3.0  # least degrees of freedom
_MOST_ALIKE = 0.9  # highest correlation of neighbours


@dataclass(frozen=True)
class IdlePoint:
    """A cell of the stretch with that number."""

    stretch: int
    temp_c: float
    power_w: float
    weight: float


class IdleTable:
    """Points of several stretches, with columns that are centred within each stretch."""

    def __init__(self, points: Sequence[IdlePoint] = ()) -> None:
        """`points` are in the order of stretches and, in each, of temperatures."""
        self.points = points
        self.weights = [p.weight for p in points]
        self.stretches = [list(each) for _, each in groupby(points, lambda p: p.stretch)]

    def column(self, figure: Callable[[IdlePoint], float]) -> list[float]:
        """A figure of each point less its weighted mean over the stretch."""
        found: list[float] = []
        for each in self.stretches:
            values = [figure(p) for p in each]
            total = math.fsum(p.weight for p in each)
            mean = math.fsum(p.weight * v for p, v in zip(each, values, strict=True)) / total
            found += [value - mean for value in values]
        return found

    def shape(self, doubling_c: float, bent: bool = False) -> list[float]:
        """The column of a leakage of one watt at the reference temperature.

        `bent`: the doubling grows with the temperature, as by Arrhenius' law, and is `doubling_c`
        on average from the reference temperature to WARM_C.
        """
        unit = Leakage(1.0, doubling_c)
        return self.column(lambda p: unit.power_w(_bent_c(p.temp_c) if bent else p.temp_c))

    def dot(self, left: Sequence[float], right: Sequence[float]) -> float:
        """The weighted inner product of two columns."""
        return math.fsum(w * a * b for w, a, b in zip(self.weights, left, right, strict=True))

    @property
    def span_c(self) -> float:
        """Kelvins from the coldest to the warmest point of the widest stretch."""
        return max((each[-1].temp_c - each[0].temp_c for each in self.stretches), default=0.0)

    @property
    def variance(self) -> float:
        """The variance of a point of weight 1 about a smooth curve, in W².

        Correlated neighbours count for less than one point each.
        """
        misses = _misses(self)
        freedom = len(misses) - len(self.stretches) - 2.0
        alike = _alike(self, misses)
        share = (1.0 - alike) / (1.0 + alike)
        free = max(_FEWEST_FREE, share * freedom)
        squares = self.dot(misses, misses) / max(1.0, freedom) / share
        unsure_w = _UNSURE_C * abs(self._slope_w_per_c())
        return _INFLATED * squares * free / (free - 2.0) + _LEAST_W**2 + unsure_w**2

    def _slope_w_per_c(self) -> float:
        temps, powers = self.column(lambda p: p.temp_c), self.column(lambda p: p.power_w)
        along = self.dot(temps, temps)
        return self.dot(temps, powers) / along if along > 0.0 else 0.0


def _bent_c(temp_c: float) -> float:
    share = (WARM_C + _KELVIN) / (temp_c + _KELVIN)
    return REFERENCE_C + (temp_c - REFERENCE_C) * share


def table_of(stretches: Sequence[Stretch], now: float) -> IdleTable:
    """The cells of all stretches, without the outliers from a smooth curve."""
    table = IdleTable(
        [
            IdlePoint(number, cell.temp_c, cell.power_w, stretch.count(now) * _weight(cell.visits))
            for number, stretch in enumerate(stretches)
            for cell in stretch.cells
        ]
    )
    return IdleTable(_near(table))


def _weight(visits: float) -> float:
    return visits / (visits + _HALF_VISITS)


def _near(table: IdleTable) -> list[IdlePoint]:
    if not table.points:
        return []
    misses = [abs(miss) for miss in _misses(table, robust=True)]
    usual_w = median(p.power_w for p in table.points)
    most_w = max(_SURE * usual_w, _FAR * _TO_DEVIATION * median(misses))
    return [p for p, miss in zip(table.points, misses, strict=True) if miss <= most_w]


def _misses(table: IdleTable, robust: bool = False) -> list[float]:
    """Residuals of the smooth curve that fits best; `robust`: outliers hardly bend it."""
    powers = table.column(lambda p: p.power_w)
    misses = _less(table, powers)
    for _ in range(_ROUNDS if robust else 0):
        near_w = _NEAR * median(map(abs, misses)) + 1e-9
        found = [
            IdlePoint(p.stretch, p.temp_c, p.power_w, p.weight * near_w / max(near_w, abs(miss)))
            for p, miss in zip(table.points, misses, strict=True)
        ]
        weighted = IdleTable(found)
        misses = _less(weighted, weighted.column(lambda p: p.power_w))
    return misses


def _less(table: IdleTable, powers: Sequence[float]) -> list[float]:
    """`powers` less the best sum of two curves, the second made orthogonal to the first."""
    misses = list(powers)
    first, second = (table.shape(doubling_c) for doubling_c in _SHAPES_C)
    second = _without(table, second, first)
    for shape in (first, second):
        misses = _without(table, misses, shape)
    return misses


def _without(table: IdleTable, values: Sequence[float], shape: Sequence[float]) -> list[float]:
    along = table.dot(shape, shape)
    share = table.dot(values, shape) / along if along > 1e-12 else 0.0
    return [value - share * own for value, own in zip(values, shape, strict=True)]


def _alike(table: IdleTable, misses: Sequence[float]) -> float:
    """The correlation of neighbouring residuals in a stretch, 0 to 0.9."""
    own = math.fsum(w * miss * miss for w, miss in zip(table.weights, misses, strict=True))
    rows = list(zip(table.points, misses, strict=True))
    next_ = math.fsum(
        math.sqrt(a.weight * b.weight) * left * right
        for (a, left), (b, right) in pairwise(rows)
        if a.stretch == b.stretch
    )
    return min(_MOST_ALIKE, max(0.0, next_ / own)) if own > 0.0 else 0.0
