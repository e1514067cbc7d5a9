"""The heat path of a board: a ladder of one to three nodes from the chip to the air."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

from edge_rt.thermal.solve import Chain

Temps = tuple[float, ...]


@dataclass(frozen=True)
class Network:
    """Known figures of a ladder; SI units, the chip first.

    C_i·dT_i/dt = P_i + (T_(i-1) - T_i)/R_(i-1) - (T_i - T_(i+1))/R_i, with the air behind the
    last node, to which it conducts (1 + fan_gain·fan)/R_last. All power but `outer_w` heats the
    chip, `outer_w` the node behind it.
    """

    resistances_c_per_w: tuple[float, ...]
    capacities_j_per_c: tuple[float, ...]
    fan_gain: float
    ambient_c: float
    outer_w: float = 0.0

    def to_air_w_per_c(self, fan: float) -> float:
        """Conductance of the last resistance; `fan` is its drive, 0 to 1."""
        return (1.0 + self.fan_gain * fan) / self.resistances_c_per_w[-1]

    def resistance_c_per_w(self, fan: float) -> float:
        """From the chip to the air."""
        return sum(self.resistances_c_per_w[:-1]) + 1.0 / self.to_air_w_per_c(fan)

    def time_constants_s(self, fan: float) -> tuple[float, ...]:
        """R·C of each node."""
        outwards = (*self.resistances_c_per_w[:-1], 1.0 / self.to_air_w_per_c(fan))
        return tuple(r * c for r, c in zip(outwards, self.capacities_j_per_c, strict=True))

    def chain(self, dt_s: float, fan: float) -> Chain:
        """The equations of one step of backward Euler: stable at any length."""
        links = [1.0 / r for r in self.resistances_c_per_w[:-1]]
        rates = [c / dt_s for c in self.capacities_j_per_c]
        return Chain(rates, links, self.to_air_w_per_c(fan))

    def advance(self, chain: Chain, temps_c: Sequence[float], power_w: float) -> list[float]:
        """Temperatures one step of `chain` later, `power_w` all the while."""
        right = list(map(mul, chain.rates, temps_c))
        outer_w = min(self.outer_w, power_w)
        right[0] += power_w - outer_w
        right[min(1, len(right) - 1)] += outer_w
        right[-1] += chain.to_air * self.ambient_c
        return chain.solve(right)

    def steady(self, power_w: float, fan: float) -> Temps:
        """Temperatures that `power_w` ends at."""
        outer_w = min(self.outer_w, power_w)
        temp_c = self.ambient_c + power_w / self.to_air_w_per_c(fan)
        temps = [temp_c]
        for node in range(len(self.capacities_j_per_c) - 2, -1, -1):
            flow_w = power_w if node > 0 else power_w - outer_w
            temp_c += self.resistances_c_per_w[node] * flow_w
            temps.append(temp_c)
        return tuple(reversed(temps))
