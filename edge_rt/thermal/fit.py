"""Learning a network from power and temperature, one reading at a time.

An extended Kalman filter over the nodes' temperatures and the network's figures; its noise figures
and bounds are ours. A reading costs the same whatever came before, no log is kept, and the
covariance tells how well each figure is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from operator import add, mul

from edge_rt.thermal.course import SPANS_S
from edge_rt.thermal.network import LadderSolver, Network, ThermalPrior

_DRIFT = 0.001  # of a logarithm, for the square root of a second: dust, and all that is left out
_AMBIENT_DRIFT_C = 0.015  # and of the air
_NODE_DRIFT_C = 0.05  # and of the chip: power is read late, now and then, and not all of it
_HIDDEN_C = 8.0  # how far a node that no sensor shows may be from the chip at the start
_START_C = 1.0  # and the chip: one reading alone may be wrong
_FARTHEST = 4.0  # spreads that a figure may leave its prior
_LOOSE = 0.5  # of the first spread, when the board has changed
_OUTER = 0.9  # of the least power so far: no more than that can be the prior's `outer_w`
_UNSEEN_W = 3.0  # how far an unknown power may be from the last known one

Vector = list[float]


class Fit:
    """Temperatures and figures of a network, and their covariance.

    The vector: temperatures of n nodes; logarithms of n resistances and n capacities; the fan's
    gain; the air's temperature.
    """

    def __init__(self, prior: ThermalPrior, temp_c: float, error_c: float) -> None:
        """The chip is at `temp_c`, read with an error of `error_c`."""
        self._prior = prior
        self._outer_w = prior.outer_w
        self._n = n = len(prior.capacities_j_per_c)
        figures = [*prior.resistances_c_per_w, *prior.capacities_j_per_c]
        self._centre = [*map(math.log, figures), prior.fan_gain, min(prior.ambient_c, temp_c)]
        spread = prior.spread
        self._spreads = [spread] * (2 * n) + [spread * prior.fan_gain, prior.ambient_spread_c]
        self._bounds = [
            (centre - _FARTHEST * spread, centre + _FARTHEST * spread)
            for centre, spread in zip(self._centre, self._spreads, strict=True)
        ]
        self._bounds[-2] = (0.0, self._bounds[-2][1])
        self.figures = list(self._centre)
        self.covariance = [[0.0] * (3 * n + 2) for _ in range(3 * n + 2)]
        for index, deviation in enumerate(self._spreads, n):
            self.covariance[index][index] = deviation * deviation
        self.restart(temp_c, error_c)

    def restart(self, temp_c: float, error_c: float) -> None:
        """Keep the figures, but not the temperatures, after a time without readings."""
        n, covariance = self._n, self.covariance
        for node in range(n):
            covariance[node] = [0.0] * len(covariance)
            covariance[node][node] = _HIDDEN_C * _HIDDEN_C
        for row in covariance[n:]:
            row[:n] = [0.0] * n
        covariance[0][0] = error_c * error_c + _START_C * _START_C
        self.temps_c = [temp_c] * n

    @property
    def network(self) -> Network:
        """The figures as they are believed now."""
        n, logs = self._n, self.figures
        return Network(
            tuple(map(math.exp, logs[:n])),
            tuple(map(math.exp, logs[n : 2 * n])),
            logs[2 * n],
            logs[-1],
            self._outer_w,
        )

    def predict(self, dt_s: float, power_w: float, fan: float, known: bool = True) -> None:
        """Advance by `dt_s`; without `known` the power is a guess."""
        if known:
            self._outer_w = min(self._outer_w, _OUTER * power_w)
        network = self.network
        chain = network.chain(dt_s, fan)
        before, self.temps_c = self.temps_c, network.advance(chain, self.temps_c, power_w)
        changes = map(chain.solve, heats(network, chain, before, self.temps_c, fan))
        self._propagate(list(zip(*changes, strict=True)))
        self._drift(dt_s)
        if not known:
            self.covariance[0][0] += (_UNSEEN_W / chain.rates[0]) ** 2

    def _propagate(self, rows: Sequence[Sequence[float]]) -> None:
        """Rows are the new temperatures' slopes; the figures stay what they were."""
        n, covariance = self._n, self.covariance
        mixed = [[sum(map(mul, row, other)) for other in covariance] for row in rows]
        for node, row in enumerate(mixed):
            covariance[node] = [sum(map(mul, row, other)) for other in rows] + row[n:]
            for index in range(n, len(covariance)):
                covariance[index][node] = row[index]

    def _drift(self, dt_s: float) -> None:
        """Add the drift of unseen changes; no figure gets less certain than it was at first."""
        n, covariance = self._n, self.covariance
        chip = self.figures[n]
        for node, capacity in enumerate(self.figures[n : 2 * n]):  # the heavier, the calmer
            covariance[node][node] += _NODE_DRIFT_C**2 * math.exp(chip - capacity) * dt_s
        last = len(covariance) - 1
        for index, spread in enumerate(self._spreads, n):
            drift = _AMBIENT_DRIFT_C if index == last else _DRIFT
            if covariance[index][index] < spread * spread:
                covariance[index][index] += drift * drift * dt_s

    def correct(self, temp_c: float, error_c: float, learn: bool = True) -> None:
        """Correct by the chip's temperature; without `learn` the figures stay."""
        n, covariance = self._n, self.covariance
        first = list(covariance[0])
        scale = 1.0 / (first[0] + error_c * error_c)
        share = scale * (temp_c - self.temps_c[0])
        self.temps_c = [t + c * share for t, c in zip(self.temps_c, first[:n], strict=True)]
        width = len(covariance)
        for index, own in enumerate(first):
            factor, row = own * scale, covariance[index]
            reach = width if learn or index < n else n
            row[:reach] = [a - factor * b for a, b in zip(row[:reach], first[:reach], strict=True)]
        if learn:
            self._move([c * share for c in first[n:]])

    def _move(self, changes: Sequence[float]) -> None:
        self.figures = [value + change for value, change in zip(self.figures, changes, strict=True)]
        for index, bounds in enumerate(self._bounds):
            value = _clipped(self.figures[index], bounds)
            if value != self.figures[index]:
                self._pin(index, value)
        self.figures = list(map(_clipped, self.figures, self._bounds))

    def _pin(self, index: int, value: float) -> None:
        """Set one figure to `value`, and move the figures that are correlated with it."""
        n = self._n
        row = self.covariance[n + index]
        share = (value - self.figures[index]) / row[n + index]
        self.temps_c = [t + c * share for t, c in zip(self.temps_c, row[:n], strict=True)]
        self.figures = [f + c * share for f, c in zip(self.figures, row[n:], strict=True)]
        self.figures[index] = value

    def surprise(self, temp_c: float, error_c: float) -> float:
        """How far off the chip's temperature is, in standard deviations."""
        return abs(temp_c - self.temps_c[0]) / math.sqrt(self.covariance[0][0] + error_c * error_c)

    def snap(self, temp_c: float, error_c: float) -> None:
        """Set the chip to the temperature read, and learn nothing: no known power explains it."""
        self.covariance[0][0] += (temp_c - self.temps_c[0]) ** 2
        self.correct(temp_c, error_c, learn=False)

    def loosen(self) -> None:
        """Widen the figures outside the chip, which have changed, to half of their first spread."""
        n = self._n
        outlet = 2 * n if self._prior.fan_gain else n - 1  # what lets the heat out
        for index in (outlet, 2 * n + 1):
            row = self.covariance[n + index]
            row[n + index] = max(row[n + index], (_LOOSE * self._spreads[index]) ** 2)


def _clipped(value: float, bounds: tuple[float, float]) -> float:
    return min(max(value, bounds[0]), bounds[1])


def heats(
    network: Network,
    chain: LadderSolver,
    before: Sequence[float],
    after: Sequence[float],
    fan: float,
) -> list[Vector]:
    """What a change of each entry of the fit's vector counts as in one step from `before` to
    `after`: watts into the nodes, one list each. The chain's solution is the change after it."""
    n, rates = len(before), chain.rates
    found = [_at(n, node, rates[node]) for node in range(n)]
    for node, link in enumerate(chain.links):
        flow_w = link * (after[node] - after[node + 1])
        found.append(_at(n, node, flow_w))
        found[-1][node + 1] = -flow_w
    lost_w = chain.to_air * (after[-1] - network.ambient_c)
    found.append(_at(n, n - 1, lost_w))
    found += [_at(n, node, rates[node] * (before[node] - after[node])) for node in range(n)]
    found.append(_at(n, n - 1, -lost_w * fan / (1.0 + network.fan_gain * fan)))
    found.append(_at(n, n - 1, chain.to_air))
    return found


def _at(size: int, node: int, flow_w: float) -> Vector:
    heat = [0.0] * size
    heat[node] = flow_w
    return heat


class ForecastVariance:
    """The standard deviation of forecasts by the fit's covariance, at the times of a course.

    A forecast is linear in its power P, and so is its slope s = s0 + P·s1 against the fit's
    vector; its variance s'Σs is a quadratic in P.
    """

    def __init__(self, fit: Fit, fan: float) -> None:
        """Take the present state of `fit`; the fan stays as it is."""
        network, sigma, n = fit.network, fit.covariance, len(fit.temps_c)
        still = _slopes(network, fit.temps_c, 0.0, fan, len(sigma), 1.0)
        bare = replace(network, ambient_c=0.0, outer_w=0.0)
        per_watt = _slopes(bare, [0.0] * n, 1.0, fan, len(sigma), 0.0)
        self._squares = [
            (_form(s0, sigma, s0), 2.0 * _form(s0, sigma, s1), _form(s1, sigma, s1))
            for s0, s1 in zip(still, per_watt, strict=True)
        ]

    def deviations_k(self, power_w: float, count: int) -> Vector:
        """Return standard deviations at the first `count` times of a course."""
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
