"""How far off a forecast may be for what the fit does not know yet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from operator import add, mul

from edge_rt.thermal.course import SPANS_S
from edge_rt.thermal.fit import Fit, Vector, heats
from edge_rt.thermal.network import Network


class Doubt:
    """The standard deviation of forecasts by the fit's covariance, at the times of a course.

    A forecast is linear in its power P, and so is its slope s = s0 + P·s1 against the fit's
    vector; its variance s'Σs is a quadratic in P.
    """

    def __init__(self, fit: Fit, fan: float) -> None:
        """As of now; the fan stays as it is."""
        network, sigma, n = fit.network, fit.covariance, len(fit.temps_c)
        still = _slopes(network, fit.temps_c, 0.0, fan, len(sigma), 1.0)
        bare = replace(network, ambient_c=0.0, outer_w=0.0)
        per_watt = _slopes(bare, [0.0] * n, 1.0, fan, len(sigma), 0.0)
        self._squares = [
            (_form(s0, sigma, s0), 2.0 * _form(s0, sigma, s1), _form(s1, sigma, s1))
            for s0, s1 in zip(still, per_watt, strict=True)
        ]

    def deviations_k(self, power_w: float, count: int) -> Vector:
        """At the first `count` times of a course."""
        return [
            math.sqrt(max(0.0, a + power_w * (b + power_w * c)))
            for a, b, c in self._squares[:count]
        ]


def _slopes(
    network: Network, temps_c: Sequence[float], power_w: float, fan: float, size: int, own: float
) -> list[Vector]:
    """The chip's temperature against each entry of the fit's vector, at each time of a course.

    `own` is what a degree of a node or of the air counts: nothing where only power does.
    """
    n = len(temps_c)
    columns = [[own * (row == column) for row in range(n)] for column in range(size)]
    found = [[column[0] for column in columns]]
    for span_s in SPANS_S:
        chain = network.chain(span_s, fan)
        after = network.advance(chain, temps_c, power_w)
        added = heats(network, chain, temps_c, after, fan)
        added[:n] = [[0.0] * n] * n  # a temperature counts once, at the start
        added[-1] = [own * heat for heat in added[-1]]
        columns = [
            chain.solve(list(map(add, map(mul, chain.rates, column), heat)))
            for column, heat in zip(columns, added, strict=True)
        ]
        temps_c = after
        found.append([column[0] for column in columns])
    return found


def _form(left: Vector, sigma: Sequence[Vector], right: Vector) -> float:
    return sum(a * sum(map(mul, row, right)) for a, row in zip(left, sigma, strict=True) if a)
