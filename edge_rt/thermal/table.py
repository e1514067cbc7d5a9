"""Idle power over temperature as a table of points, and how far they scatter."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median

from edge_rt.thermal.idle import Stretch
from edge_rt.thermal.leakage import REFERENCE_C, Leakage

WARM_C = 70.0  # growth is told from the reference temperature up to here
_KELVIN = 273.15
_HALF_VISITS = 2.0  # that a cell needs to count for half: the rest of its error stays
_SHAPES_C = (13.0, 31.0)  # doublings between which a smooth curve is looked for
_ROUNDS = 5
_NEAR = 1.5  # of the median miss: up to here all count alike, beyond it by their inverse
_FAR = 4.0  # standard deviations from which on a cell is not the idle board's
_TO_DEVIATION = 1.4826  # of the median absolute miss, for a normal distribution
_SURE = 0.05  # of the power: a cell that misses by less stays, or a coarse sensor's steps went
_INFLATED = 1.5  # the variance, for all that does not scatter like noise
_LEAST_W, _UNSURE_C = 1e-3, 0.1  # of power and temperature: sensors round, and are late
_FEWEST_FREE = 3.0  # degrees of freedom
_MOST_ALIKE = 0.9


@dataclass(frozen=True)
class Point:
    """The mean of some readings in one stretch."""

    stretch: int
    temp_c: float
    power_w: float
    weight: float


class Table:
    """Points of several stretches. Columns are taken less their mean of each stretch."""

    def __init__(self, points: Sequence[Point] = ()) -> None:
        """`points` are in the order of stretches and, in each, of temperatures."""
        self.points = points
        self.weights = [p.weight for p in points]
        self.stretches = [list(each) for _, each in groupby(points, lambda p: p.stretch)]

    def column(self, figure: Callable[[Point], float]) -> list[float]:
        """A figure of each point less its weighted mean of that stretch."""
        found: list[float] = []
        for each in self.stretches:
            values = [figure(p) for p in each]
            total = math.fsum(p.weight for p in each)
            mean = math.fsum(p.weight * v for p, v in zip(each, values, strict=True)) / total
            found += [value - mean for value in values]
        return found

    def shape(self, doubling_c: float, bent: bool = False) -> list[float]:
        """What one watt of leakage at the reference temperature grows to.

        `bent`: the doubling grows with the temperature, as where leakage follows Arrhenius' law,
        and is `doubling_c` from the reference temperature to WARM_C.
        """
        unit = Leakage(1.0, doubling_c)
        return self.column(lambda p: unit.power_w(_bent_c(p.temp_c) if bent else p.temp_c))

    def dot(self, left: Sequence[float], right: Sequence[float]) -> float:
        """The weighted sum of products."""
        return math.fsum(w * a * b for w, a, b in zip(self.weights, left, right, strict=True))

    @property
    def span_c(self) -> float:
        """From the coldest to the warmest point of the longest stretch."""
        return max((each[-1].temp_c - each[0].temp_c for each in self.stretches), default=0.0)

    @property
    def variance(self) -> float:
        """Of a point of weight 1 about a smooth curve, in W².

        Neighbours that miss to the same side count for less than one point each.
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


def table_of(stretches: Sequence[Stretch], now: float) -> Table:
    """The cells of all stretches, without those that lie far off a smooth curve."""
    table = Table(
        [
            Point(number, cell.temp_c, cell.power_w, stretch.count(now) * _weight(cell.visits))
            for number, stretch in enumerate(stretches)
            for cell in stretch.cells
        ]
    )
    return Table(_near(table))


def _weight(visits: float) -> float:
    return visits / (visits + _HALF_VISITS)


def _near(table: Table) -> list[Point]:
    if not table.points:
        return []
    misses = [abs(miss) for miss in _misses(table, robust=True)]
    usual_w = median(p.power_w for p in table.points)
    most_w = max(_SURE * usual_w, _FAR * _TO_DEVIATION * median(misses))
    return [p for p, miss in zip(table.points, misses, strict=True) if miss <= most_w]


def _misses(table: Table, robust: bool = False) -> list[float]:
    """Of the curve that fits best; `robust`: a few wild points hardly bend it."""
    powers = table.column(lambda p: p.power_w)
    misses = _less(table, powers)
    for _ in range(_ROUNDS if robust else 0):
        near_w = _NEAR * median(map(abs, misses)) + 1e-9
        found = [
            Point(p.stretch, p.temp_c, p.power_w, p.weight * near_w / max(near_w, abs(miss)))
            for p, miss in zip(table.points, misses, strict=True)
        ]
        weighted = Table(found)
        misses = _less(weighted, weighted.column(lambda p: p.power_w))
    return misses


def _less(table: Table, powers: Sequence[float]) -> list[float]:
    """`powers` less the best sum of two curves, the second without what is in the first."""
    misses = list(powers)
    first, second = (table.shape(doubling_c) for doubling_c in _SHAPES_C)
    second = _without(table, second, first)
    for shape in (first, second):
        misses = _without(table, misses, shape)
    return misses


def _without(table: Table, values: Sequence[float], shape: Sequence[float]) -> list[float]:
    along = table.dot(shape, shape)
    share = table.dot(values, shape) / along if along > 1e-12 else 0.0
    return [value - share * own for value, own in zip(values, shape, strict=True)]


def _alike(table: Table, misses: Sequence[float]) -> float:
    """The correlation of neighbours in the same stretch, 0 to 0.9."""
    own = math.fsum(w * miss * miss for w, miss in zip(table.weights, misses, strict=True))
    rows = list(zip(table.points, misses, strict=True))
    next_ = math.fsum(
        math.sqrt(a.weight * b.weight) * left * right
        for (a, left), (b, right) in pairwise(rows)
        if a.stretch == b.stretch
    )
    return min(_MOST_ALIKE, max(0.0, next_ / own)) if own > 0.0 else 0.0
