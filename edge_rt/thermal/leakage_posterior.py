"""The posterior of leakage, by a table of idle power and priors.

Doubling and reference lie on a grid. The drift is linear with a normal prior, so that the sums over
it and over the stretches' floors are exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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
    nodes = list(_nodes(table, beliefs))
    most = max(node.log_chance for node in nodes)
    chances = [math.exp(node.log_chance - most) for node in nodes]
    growths = [node.reference_w * _grown(node.doubling_c) for node in nodes]
    drift = _mean((node.drift for node in nodes), chances)
    return LeakagePosterior(
        _widened(_interval(growths, chances)),
        _interval([node.doubling_c for node in nodes], chances),
        beliefs.drift_w_per_c + drift * beliefs.drift_spread,
        abs(drift),
        _at_edge([node.reference_w for node in nodes], chances),
    )


def _nodes(table: IdleTable, beliefs: Beliefs) -> Iterator[_Node]:
    spread = beliefs.drift_spread
    temps = table.column(lambda p: spread * p.temp_c)  # of a drift of one standard deviation
    usual = beliefs.drift_w_per_c / spread
    powers = table.column(lambda p: p.power_w - usual * spread * p.temp_c)
    variance = table.variance
    tt, ty, yy = table.dot(temps, temps), table.dot(temps, powers), table.dot(powers, powers)
    doublings = _grid(beliefs.doubling_c, beliefs.doubling_spread, _DOUBLINGS)
    for (far, doubling_c), bent in product(doublings, (False, True)):
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


def _mean(values: Iterable[float], chances: Sequence[float]) -> float:
    return math.fsum(v * c for v, c in zip(values, chances, strict=True)) / math.fsum(chances)


def _interval(values: Sequence[float], chances: Sequence[float]) -> Interval:
    ordered = sorted(zip(values, chances, strict=True))
    total = math.fsum(chances)
    low, middle, high = (_quantile(ordered, q * total) for q in (_TAIL, 0.5, 1.0 - _TAIL))
    return Interval(low, middle, high)


def _quantile(ordered: Sequence[tuple[float, float]], chance: float) -> float:
    passed = 0.0
    for value, own in ordered:
        passed += own
        if passed >= chance:
            return value
    return ordered[-1][0]


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
