"""The heat path of a board from the chip to the air, and its prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul


class LadderSolver:
    """S·x = b with S = diag(rates) + the ladder's conductances, for one to three nodes.

    S is symmetric, tridiagonal and diagonally dominant, so elimination needs no pivots, and its
    inverse has no negative entry: more heat is never less temperature.
    """

    __slots__ = ("_inverses", "_shares", "links", "rates", "to_air")

    def __init__(self, rates: Sequence[float], links: Sequence[float], to_air: float) -> None:
        """`rates` are C/dt in W/K; `links` lead from each node to the next, `to_air` on."""
        self.rates, self.links, self.to_air = rates, links, to_air
        diagonal = list(rates)
        diagonal[-1] += to_air
        for node, link in enumerate(links):
            diagonal[node] += link
            diagonal[node + 1] += link
        self._shares: list[tuple[int, float]] = []  # of a node in the next one's equation
        for node, link in enumerate(links):
            share = link / diagonal[node]
            diagonal[node + 1] -= share * link
            self._shares.append((node, share))
        self._inverses = [1.0 / value for value in diagonal]

    def solve(self, right: Sequence[float]) -> list[float]:
        """x for the right side b."""
        if len(right) == 2:  # the usual ladder, without the loops
            (_, share), (first, last) = self._shares[0], self._inverses
            outer = (right[1] + share * right[0]) * last
            return [right[0] * first + share * outer, outer]
        found = list(right)
        for node, share in self._shares:
            found[node + 1] += share * found[node]
        found = list(map(mul, found, self._inverses))
        for node, share in reversed(self._shares):
            found[node] += share * found[node + 1]
        return found


# Of a board under full load, outwards from the chip: a choice of ours that comes out near the
# temperatures that owners of boards of 5 to 60 W report.
_RISES_C = (9.0, 55.0)  # over each node's resistance, in still air
_CAPACITIES_J_PER_C_W = (0.4, 8.0)
_FAN_GAIN = 2.0
_OUTER = 0.5  # of what an idle board draws


@dataclass(frozen=True)
class ThermalPrior:
    """A ladder of one to three nodes from the chip outwards, and how far it may be off.

    The last resistance leads to still air; a fan at full drive divides it by 1 + `fan_gain`.
    `outer_w` of the power never passes through the chip: memory, storage, regulators. What is
    wrong about it shifts the estimate of the air's temperature.
    """

    resistances_c_per_w: tuple[float, ...]
    capacities_j_per_c: tuple[float, ...]
    fan_gain: float = 0.0  # 0: there is no fan
    outer_w: float = 0.0
    ambient_c: float = 25.0
    ambient_spread_c: float = 8.0  # one standard deviation
    spread: float = 0.5  # of the logarithm of every other figure

    @classmethod
    def generic(
        cls,
        loaded_w: float,
        fan: bool,
        idle_w: float = 0.0,
        resistance_c_per_w: float | None = None,
        capacity_j_per_c: float | None = None,
    ) -> ThermalPrior:
        """Two nodes for a board that draws `loaded_w` under full load and `idle_w` at rest.

        What the profile knows of the whole way to still air, or of all that warms up, replaces
        the sums.
        """
        resistances = tuple(rise_c / loaded_w for rise_c in _RISES_C)
        capacities = tuple(share * loaded_w for share in _CAPACITIES_J_PER_C_W)
        return cls(
            _scaled(resistances, resistance_c_per_w),
            _scaled(capacities, capacity_j_per_c),
            _FAN_GAIN if fan else 0.0,
            _OUTER * idle_w,
        )


def _scaled(parts: tuple[float, ...], total: float | None) -> tuple[float, ...]:
    scale = 1.0 if total is None else total / sum(parts)
    return tuple(part * scale for part in parts)


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
        """Return the thermal resistance from the chip to the air."""
        return sum(self.resistances_c_per_w[:-1]) + 1.0 / self.to_air_w_per_c(fan)

    def time_constants_s(self, fan: float) -> tuple[float, ...]:
        """R·C of each node."""
        outwards = (*self.resistances_c_per_w[:-1], 1.0 / self.to_air_w_per_c(fan))
        return tuple(r * c for r, c in zip(outwards, self.capacities_j_per_c, strict=True))

    def chain(self, dt_s: float, fan: float) -> LadderSolver:
        """The equations of one step of backward Euler: stable at any length."""
        links = [1.0 / r for r in self.resistances_c_per_w[:-1]]
        rates = [c / dt_s for c in self.capacities_j_per_c]
        return LadderSolver(rates, links, self.to_air_w_per_c(fan))

    def advance(self, chain: LadderSolver, temps_c: Sequence[float], power_w: float) -> list[float]:
        """Temperatures one step of `chain` later, `power_w` all the while."""
        right = list(map(mul, chain.rates, temps_c))
        outer_w = self.outer_w if self.outer_w < power_w else power_w
        right[0] += power_w - outer_w
        right[1 if len(right) > 1 else 0] += outer_w
        right[-1] += chain.to_air * self.ambient_c
        return chain.solve(right)
