"""Linear equations of nodes in a row, factorised once and solved for many right sides."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul


class Chain:
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
        found = list(right)
        for node, share in self._shares:
            found[node + 1] += share * found[node]
        found = list(map(mul, found, self._inverses))
        for node, share in reversed(self._shares):
            found[node] += share * found[node + 1]
        return found
