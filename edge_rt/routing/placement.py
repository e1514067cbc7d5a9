"""What each way to keep models loaded costs the requests of the recent mix, and memory pressure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

EASY = 0.8  # below it memory costs nothing extra
FULL = 0.95  # from there on a plan cannot be had


def cpq(needed_bytes: float, usable_bytes: float) -> float:
    """Return the memory pressure: 1 is full; infinite where nothing is usable.

    Our formula, after CPQ of QEIL v2 (arXiv 2602.06057): what must be in memory at once, over the
    memory less what is kept for others.
    """
    return needed_bytes / usable_bytes if usable_bytes > 0 else math.inf


def feasible(pressure: float) -> bool:
    """Whether a plan of that CPQ can be had."""
    return pressure < FULL


def penalty(pressure: float) -> float:
    """Return the factor on energy, 1 or more; infinite where the plan cannot be had.

    Our formula, after QEIL v2: 1 + max(0, CPQ - 0.8) / (1 - CPQ).
    """
    if not feasible(pressure):
        return math.inf
    return 1.0 + max(0.0, pressure - EASY) / (1.0 - pressure)


State = tuple[int, ...]
"""For each variant the number of its place, from 1 on; 0: it is not loaded."""


class PlacementCost(NamedTuple):
    """What one request takes in the mean."""

    energy_j: float
    seconds: float


NEVER = PlacementCost(math.inf, math.inf)


@dataclass(frozen=True)
class RequestKind:
    """Requests of one kind: their share of the mix, and the cost of one that also loads."""

    share: float
    on_demand: PlacementCost


@dataclass(frozen=True)
class ModelPlace:
    """A way to keep a variant loaded.

    `bytes` are what it takes of each memory, `costs` what a request of each kind takes there, or
    NEVER; loading it takes `load`.
    """

    bytes: tuple[float, ...]
    costs: tuple[PlacementCost, ...]
    load: PlacementCost


class Placement(NamedTuple):
    """A state, and what a request of the mix takes then in the mean."""

    cost: PlacementCost
    state: State

    def dominates(self, other: Placement) -> bool:
        """Whether it is no worse in joules and seconds, and better in one of them."""
        one, two = self.cost, other.cost
        return one.energy_j <= two.energy_j and one.seconds <= two.seconds and one != two


class PlacementProblem:
    """The variants with their places, the memories, and the mix.

    A request goes to the loaded model that takes the fewest joules for it, as the router would send
    it. Joules become dearer as the fullest memory fills up; see `penalty`.
    """

    def __init__(
        self,
        variants: Sequence[Sequence[ModelPlace]],
        usable_bytes: Sequence[float],
        mix: Sequence[RequestKind],
    ) -> None:
        """`usable_bytes` are those of each memory.

        ValueError where places do not have a figure for each memory and each kind, or a kind cannot
        be served on demand.
        """
        for kind in mix:
            if not all(map(math.isfinite, kind.on_demand)):
                raise ValueError(f"{kind}: leave out of the mix what cannot be served at all")
        for place in (place for places in variants for place in places):
            if len(place.bytes) != len(usable_bytes) or len(place.costs) != len(mix):
                raise ValueError(f"{place}: not a figure for each memory and each kind")
        self.variants = tuple(tuple(places) for places in variants)
        self.usable_bytes = tuple(usable_bytes)
        self.mix = tuple(mix)
        shares = [kind.share for kind in mix]
        self.unserved = _weighed((kind.on_demand for kind in mix), shares)
        self._costs = [[_weighed(p.costs, shares) for p in places] for places in variants]

    def costs(self, variant: int, place: int) -> tuple[PlacementCost, ...]:
        """Return the cost of each kind at a place, counted from 1, times the kind's share."""
        return self._costs[variant][place - 1]

    def taken(self, state: State) -> list[float]:
        """Bytes of each memory."""
        places = [self.variants[i][place - 1].bytes for i, place in enumerate(state) if place]
        return [sum(sizes) for sizes in zip(*places, strict=True)] or [0.0] * len(self.usable_bytes)

    def pressure(self, taken: Sequence[float]) -> float:
        """CPQ of the fullest memory."""
        pairs = zip(taken, self.usable_bytes, strict=True)
        return max((cpq(size, usable) for size, usable in pairs if size > 0.0), default=0.0)

    def placement(self, state: State) -> Placement | None:
        """What a state costs; None where it does not fit into memory."""
        pressure = self.pressure(self.taken(state))
        if not feasible(pressure):
            return None
        served = self.unserved
        for variant, place in enumerate(state):
            if place:
                served = better(served, self._costs[variant][place - 1])
        return self.judged(state, served, pressure)

    def judged(self, state: State, served: Iterable[PlacementCost], pressure: float) -> Placement:
        """The placement of a state whose requests take what `served` says, share by share."""
        energy_j = seconds = 0.0
        for cost in served:
            energy_j += cost.energy_j
            seconds += cost.seconds
        cost = PlacementCost(energy_j * penalty(pressure), seconds)
        return Placement(cost, state)

    def load(self, before: State, after: State) -> PlacementCost:
        """What it takes to come from one state to another; to unload takes nothing."""
        loads = [
            self.variants[i][new - 1].load
            for i, (old, new) in enumerate(zip(before, after, strict=True))
            if new and new != old
        ]
        return PlacementCost(
            sum(cost.energy_j for cost in loads), sum(cost.seconds for cost in loads)
        )


def better(
    one: tuple[PlacementCost, ...], two: tuple[PlacementCost, ...]
) -> tuple[PlacementCost, ...]:
    """Return the cost with fewer joules for each kind of request."""
    return tuple(map(min, one, two))


def _weighed(costs: Iterable[PlacementCost], shares: Iterable[float]) -> tuple[PlacementCost, ...]:
    pairs = zip(costs, shares, strict=True)
    return tuple(
        NEVER if cost == NEVER else PlacementCost(cost.energy_j * share, cost.seconds * share)
        for cost, share in pairs
    )
