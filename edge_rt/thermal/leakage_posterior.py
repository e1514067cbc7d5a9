"""The posterior of leakage, by a table of idle power and priors.

Doubling and reference lie on a grid. The drift is linear with a normal prior, so that the sums over
it and over the stretches' floors are exact.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import product
from typing import NamedTuple

from edge_rt.thermal.leakage import REFERENCE_C, WARM_C, IdleTable, Leakage

_FAR = 3.0  # standard deviations that the grid covers to each side
_DOUBLINGS, _REFERENCES = 41, 161  # points of the grid
_EDGE = 0.05  # probability at an end of the grid, beyond which the truth may lie outside
_MODEL = 0.03  # relative deviation of the growth, as the doubling varies with the temperature
_TAIL, _NORMAL = 0.025, 1.96  # of a 95 % interval


class Interval(NamedTuple):
    """A figure and the ends of its 95 % interval."""

    low: float
    middle: float
    high: float

    @property
    def half(self) -> float:
        """Half the interval's width, relative to the figure."""
        return 0.5 * (self.high - self.low) / self.middle


@dataclass(frozen=True)
class Beliefs:
    """The priors' means and standard deviations, these of logarithms for reference and doubling."""

    reference_w: float
    reference_spread: float
    doubling_c: float
    doubling_spread: float
    drift_w_per_c: float
    drift_spread: float


@dataclass(frozen=True)
class LeakagePosterior:
    """The posterior."""

    growth_w: Interval
    doubling_c: Interval
    drift_w_per_c: float
    strange: float  # standard deviations of the drift from its prior
    edge: bool  # whether the truth may lie beyond the grid

    @property
    def leakage(self) -> Leakage:
        """The leakage with the intervals' middle figures."""
        doubling_c = self.doubling_c.middle
        return Leakage(self.growth_w.middle / _grown(doubling_c), doubling_c)


class _Node(NamedTuple):
    log_chance: float
    reference_w: float
    doubling_c: float
    drift: float  # standard deviations from its prior


def posterior(table: IdleTable, beliefs: Beliefs) -> LeakagePosterior:
    """Return the posterior; `table` may be empty."""
    # Plain numbers: as objects 13,000 nodes take megabytes, which the process then keeps.
    log_chances, references, doublings, drifts = (array("d") for _ in range(4))
    for node in _nodes(table, beliefs):
        log_chances.append(node.log_chance)
        references.append(node.reference_w)
        doublings.append(node.doubling_c)
        drifts.append(node.drift)
    most = max(log_chances)
    chances = array("d", (math.exp(each - most) for each in log_chances))
    grown = (w * _grown(each) for w, each in zip(references, doublings, strict=True))
    drift = _mean(drifts, chances)
    row = len(_grid(beliefs.reference_w, beliefs.reference_spread, _REFERENCES))
    return LeakagePosterior(
        _widened(_interval(array("d", grown), chances, row)),
        _interval(doublings, chances, row),
        beliefs.drift_w_per_c + drift * beliefs.drift_spread,
        abs(drift),
        _at_edge(references, chances),
    )


def _nodes(table: IdleTable, beliefs: Beliefs) -> Iterator[_Node]:
    spread = beliefs.drift_spread
    temps = table.column(lambda p: spread * p.temp_c)  # of a drift of one standard deviation
    usual = beliefs.drift_w_per_c / spread
    powers = table.column(lambda p: p.power_w - usual * spread * p.temp_c)
    variance = table.variance
    tt, ty, yy = table.dot(temps, temps), table.dot(temps, powers), table.dot(powers, powers)
    doublings = _grid(beliefs.doubling_c, beliefs.doubling_spread, _DOUBLINGS)
    bends = (False, True) if table.points else (False,)  # of no points both are alike
    for (far, doubling_c), bent in product(doublings, bends):
        shape = table.shape(doubling_c, bent)
        xx, xt, xy = table.dot(shape, shape), table.dot(shape, temps), table.dot(shape, powers)
        for away, watts in _grid(beliefs.reference_w, beliefs.reference_spread, _REFERENCES):
            squares = (yy + watts * (watts * xx - 2.0 * xy)) / variance
            along = (ty - watts * xt) / variance
            drift = along / (tt / variance + 1.0)
            chance = -0.5 * (squares - along * drift + far * far + away * away)
            yield _Node(chance, watts, doubling_c, drift)


def _grid(middle: float, spread: float, count: int) -> Sequence[tuple[float, float]]:
    """Standard deviations from the middle, and values; only the middle if `spread` is 0."""
    if spread <= 0.0:
        return [(0.0, middle)]
    steps = [_FAR * (2.0 * n / (count - 1) - 1.0) for n in range(count)]
    return [(step, middle * math.exp(spread * step)) for step in steps]


def _grown(doubling_c: float) -> float:
    return 2.0 ** ((WARM_C - REFERENCE_C) / doubling_c) - 1.0


def _mean(values: Sequence[float], chances: Sequence[float]) -> float:
    return math.fsum(v * c for v, c in zip(values, chances, strict=True)) / math.fsum(chances)


def _interval(values: Sequence[float], chances: Sequence[float], row: int) -> Interval:
    """The interval of `values`, which never fall within a row of so many of them."""
    rows = (slice(begin, begin + row) for begin in range(0, len(values), row))
    ordered = merge(*(zip(values[part], chances[part], strict=True) for part in rows))
    total, passed = math.fsum(chances), 0.0
    left, found = [1.0 - _TAIL, 0.5, _TAIL], list[float]()
    for value, chance in ordered:
        passed += chance
        while left and passed >= left[-1] * total:
            left.pop()
            found.append(value)
    found += [max(values)] * len(left)  # by rounding, at the end
    return Interval(*found)


def _widened(found: Interval) -> Interval:
    """The interval widened by the error of the formula."""
    extra = _NORMAL * _MODEL * found.middle
    low = found.middle - math.hypot(found.middle - found.low, extra)
    high = found.middle + math.hypot(found.high - found.middle, extra)
    return Interval(max(0.0, low), found.middle, high)


def _at_edge(references: Sequence[float], chances: Sequence[float]) -> bool:
    ends = min(references), max(references)
    beyond = math.fsum(c for w, c in zip(references, chances, strict=True) if w in ends)
    return beyond > _EDGE * math.fsum(chances)
