"""The placements that nothing found so far dominates, and not more of them than are wanted."""

from __future__ import annotations

from bisect import bisect_left

from edge_rt.routing.placement import Placement
from edge_rt.routing.placing import Front


class Archive(Front):
    """A bounded front.

    Where it overflows, the placement goes without which the front loses least: the one that spans
    the smallest rectangle with its neighbours. The ends stay.
    """

    def __init__(self, most: int) -> None:
        """`most` is 2 or more."""
        super().__init__()
        self._most = most

    def add(self, placement: Placement) -> bool:
        """Take one, and drop what it dominates; False where it is not better than all."""
        added = super().add(placement)
        if len(self.front) > self._most:
            self._prune()
        return added

    def dominating(self, placement: Placement) -> list[Placement]:
        """Those of the front that dominate `placement`."""
        front, cost = self.front, placement.cost
        end = bisect_left(front, cost, key=lambda other: other.cost)
        found: list[Placement] = []
        while end and front[end - 1].cost.seconds <= cost.seconds:
            end -= 1
            found.append(front[end])
        return found

    def _prune(self) -> None:
        front = self.front
        least = min(range(1, len(front) - 1), key=self._rectangle)
        del front[least]

    def _rectangle(self, place: int) -> float:
        before, one, after = (placement.cost for placement in self.front[place - 1 : place + 2])
        return (after.energy_j - one.energy_j) * (before.seconds - one.seconds)
