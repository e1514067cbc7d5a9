"""Learning a network from power and temperature, one reading at a time.

An extended Kalman filter over the nodes' temperatures and the network's figures; its noise figures
and bounds are ours. A reading costs the same whatever came before, no log is kept, and the
covariance tells how well each figure is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from edge_rt.thermal.kalman import KalmanFilter
from edge_rt.thermal.network import EulerStep, Network, Pair, ThermalPrior

_DRIFT = 0.001  # of a logarithm, for the square root of a second: dust, and all that is left out
_AMBIENT_DRIFT_C = 0.015  # and of the air
_NODE_DRIFT_C = 0.05  # and of the chip: power is read late, now and then, and not all of it
_HIDDEN_C = 8.0  # how far the outer node may be from the chip at the start
_START_C = 1.0  # and the chip: one reading alone may be wrong
_FARTHEST = 4.0  # spreads that a figure may leave its prior
_LOOSE = 0.5  # of the first spread, when the board has changed
_OUTER = 0.9  # of the least power so far: no more than that can be the prior's `outer_w`
_UNSEEN_W = 3.0  # how far an unknown power may be from the last known one

NODES, SIZE = 2, 8
_OUTLET, _CHIP_HEAT, _GAIN, _AIR = 3, 4, 6, 7  # places in the vector


class Fit:
    """Temperatures and figures of a network, and their covariance.

    The vector: temperatures of both nodes; logarithms of both resistances and both capacities; the
    fan's gain; the air's temperature. The figures are its entries from NODES on.
    """

    def __init__(self, prior: ThermalPrior, temp_c: float, error_c: float) -> None:
        """Start with the chip at `temp_c`, read with an error of `error_c`."""
        self._outer_w, spread = prior.outer_w, prior.spread
        logs = map(math.log, [*prior.resistances_c_per_w, *prior.capacities_j_per_c])
        figures: list[float] = [*logs, prior.fan_gain, min(prior.ambient_c, temp_c)]
        self._spreads = [spread] * 4 + [spread * prior.fan_gain, prior.ambient_spread_c]
        self._bounds = [
            (centre - _FARTHEST * spread, centre + _FARTHEST * spread)
            for centre, spread in zip(figures, self._spreads, strict=True)
        ]
        self._bounds[_GAIN - NODES] = (0.0, self._bounds[_GAIN - NODES][1])
        deviations = [0.0] * NODES + self._spreads
        covariance = [[d * d * (j == k) for j in range(SIZE)] for k, d in enumerate(deviations)]
        self.belief = KalmanFilter([temp_c] * NODES + figures, covariance)
        self.restart(temp_c, error_c)

    def restart(self, temp_c: float, error_c: float) -> None:
        """Keep the figures, but not the temperatures, after a time without readings."""
        covariance = self.belief.covariance
        for row in covariance:
            row[:NODES] = [0.0] * NODES
        covariance[0] = [error_c * error_c + _START_C * _START_C] + [0.0] * (SIZE - 1)
        covariance[1] = [0.0, _HIDDEN_C * _HIDDEN_C] + [0.0] * (SIZE - 2)
        self.belief.mean[:NODES] = temp_c, temp_c

    @property
    def temps_c(self) -> Pair:
        """The temperatures of both nodes."""
        chip_c, outer_c = self.belief.mean[:NODES]
        return chip_c, outer_c

    @property
    def network(self) -> Network:
        """The figures as they are believed now."""
        *logs, gain, air_c = self.belief.mean[NODES:]
        chip_r, outer_r, chip_c, outer_c = map(math.exp, logs)
        return Network((chip_r, outer_r), (chip_c, outer_c), gain, air_c, self._outer_w)

    def predict(self, dt_s: float, power_w: float, fan: float, known: bool = True) -> None:
        """Advance by `dt_s`; without `known` the power is a guess."""
        if known:
            self._outer_w = min(self._outer_w, _OUTER * power_w)
        network = self.network
        step = network.step(dt_s, fan)
        before = self.temps_c
        after = network.advance(step, before, power_w)
        self.belief.mean[:NODES] = after
        slopes = [step.solve(*heat) for heat in heats(network, step, before, after, fan)]
        self._propagate(list(zip(*slopes, strict=True)))
        self._drift(dt_s)
        if not known:
            self.belief.drift(0, (_UNSEEN_W / step.rates[0]) ** 2)

    def _propagate(self, rows: Sequence[Sequence[float]]) -> None:
        """Rows are the new temperatures' slopes; the figures stay what they were."""
        covariance = self.belief.covariance
        mixed = [[sum(map(mul, row, other)) for other in covariance] for row in rows]
        for node, row in enumerate(mixed):
            covariance[node] = [sum(map(mul, row, other)) for other in rows] + row[NODES:]
            for index in range(NODES, SIZE):
                covariance[index][node] = row[index]

    def _drift(self, dt_s: float) -> None:
        """Add the drift of unseen changes; no figure gets less certain than it was at first."""
        covariance, mean = self.belief.covariance, self.belief.mean
        lighter = math.exp(mean[_CHIP_HEAT] - mean[_CHIP_HEAT + 1])  # the heavier, the calmer
        covariance[0][0] += _NODE_DRIFT_C**2 * dt_s
        covariance[1][1] += _NODE_DRIFT_C**2 * lighter * dt_s
        for index, spread in enumerate(self._spreads, NODES):
            drift = _AMBIENT_DRIFT_C if index == _AIR else _DRIFT
            if covariance[index][index] < spread * spread:
                covariance[index][index] += drift * drift * dt_s

    def correct(self, temp_c: float, error_c: float, learn: bool = True) -> None:
        """Correct by the chip's temperature; without `learn` the figures stay."""
        mean, covariance = self.belief.mean, self.belief.covariance
        figures, own = mean[NODES:], [row[NODES:] for row in covariance[NODES:]]
        self.belief.correct({0: 1.0}, temp_c, error_c * error_c)
        if learn:
            for place, bounds in enumerate(self._bounds, NODES):
                self.belief.keep_within(place, *bounds)
            figures = list(map(_clipped, mean[NODES:], self._bounds))
        else:
            for row, kept in zip(covariance[NODES:], own, strict=True):
                row[NODES:] = kept
        mean[NODES:] = figures

    def surprise(self, temp_c: float, error_c: float) -> float:
        """Return how far off the chip's temperature is, in standard deviations."""
        return abs(temp_c - self.temps_c[0]) / math.hypot(self.belief.deviation({0: 1.0}), error_c)

    def snap(self, temp_c: float, error_c: float) -> None:
        """Set the chip to the temperature read, and learn nothing: no known power explains it."""
        self.belief.drift(0, (temp_c - self.temps_c[0]) ** 2)
        self.correct(temp_c, error_c, learn=False)

    def loosen(self) -> None:
        """Widen the figures outside the chip, which have changed, to half of their first spread."""
        outlet = _GAIN if self._spreads[_GAIN - NODES] else _OUTLET  # what lets the heat out
        for index in (outlet, _AIR):
            row, spread = self.belief.covariance[index], self._spreads[index - NODES]
            row[index] = max(row[index], (_LOOSE * spread) ** 2)


def _clipped(value: float, bounds: Pair) -> float:
    return min(max(value, bounds[0]), bounds[1])


def heats(network: Network, step: EulerStep, before: Pair, after: Pair, fan: float) -> list[Pair]:
    """Return what a change of each entry of the fit's vector counts as in one step.

    Watts into both nodes; the solution of `step` for them is the change after it.
    """
    chip, outer = step.rates
    flow_w = step.link * (after[0] - after[1])
    lost_w = step.to_air * (after[1] - network.ambient_c)
    return [
        (chip, 0.0),
        (0.0, outer),
        (flow_w, -flow_w),
        (0.0, lost_w),
        (chip * (before[0] - after[0]), 0.0),
        (0.0, outer * (before[1] - after[1])),
        (0.0, -lost_w * fan / (1.0 + network.fan_gain * fan)),
        (0.0, step.to_air),
    ]
