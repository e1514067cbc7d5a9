"""Heat on its way from the chip to the air: a ladder of one to three nodes."""

from __future__ import annotations

from collections.abc import Sequence


class Ladder:
    """Temperatures of nodes in a row; the last one loses its heat to the air.

    C_i·dT_i/dt = P_i + (T_(i-1) - T_i)/R_(i-1) - (T_i - T_(i+1))/R_i, with the air behind the
    last node. Backward Euler: stable at any step, exact in the steady state.
    """

    def __init__(
        self,
        resistances_c_per_w: Sequence[float],
        capacities_j_per_c: Sequence[float],
        temp_c: float,
    ) -> None:
        """All nodes start at `temp_c`."""
        self.temps_c = [temp_c] * len(capacities_j_per_c)
        self._inner = list(resistances_c_per_w[:-1])
        self._outer = resistances_c_per_w[-1]
        self._capacities = list(capacities_j_per_c)

    def step(self, dt_s: float, powers_w: Sequence[float], air_c: float, cooling: float) -> None:
        """`powers_w` flow into the nodes; `cooling` divides the resistance to the air."""
        links = [1.0 / r for r in self._inner]  # W/K from each node to the next
        to_air = cooling / self._outer
        size = len(self.temps_c)
        diagonal = [c / dt_s for c in self._capacities]
        right = [d * t + p for d, t, p in zip(diagonal, self.temps_c, powers_w, strict=True)]
        for node, link in enumerate(links):
            diagonal[node] += link
            diagonal[node + 1] += link
        diagonal[-1] += to_air
        right[-1] += to_air * air_c
        for node, link in enumerate(links):  # eliminate downwards, then put in upwards
            factor = link / diagonal[node]
            diagonal[node + 1] -= factor * link
            right[node + 1] += factor * right[node]
        self.temps_c[-1] = right[-1] / diagonal[-1]
        for node in range(size - 2, -1, -1):
            above = links[node] * self.temps_c[node + 1]
            self.temps_c[node] = (right[node] + above) / diagonal[node]
