"""Good placements where there are too many to look at all."""

from __future__ import annotations

import math
from bisect import bisect_left
from random import Random

from edge_rt.routing.placement import Placement, PlacementProblem, State
from edge_rt.routing.placing import Front

BETA = 0.8
_SHARP = 2.0  # how much likelier a move is that always went well, as a power of e


class Momentum:
    """Draws moves with probabilities that follow their recent gains.

    After PGSAM of QEIL v2, our formula: each (variant, place) has v = β·v + (1 - β)·outcome, with
    1 for a move that found something undominated and 0 for one that did not.
    """

    def __init__(self, beta: float = BETA) -> None:
        self._beta = beta
        self._values: dict[tuple[int, int], float] = {}

    def learn(self, move: tuple[int, int], *, good: bool) -> None:
        """A move went well or not."""
        value = self._values.get(move, 0.0)
        self._values[move] = self._beta * value + (1.0 - self._beta) * good

    def draw(self, problem: PlacementProblem, state: State, random: Random) -> tuple[int, int]:
        """A variant, and another place for it than it has."""
        moves = [
            (variant, place)
            for variant, places in enumerate(problem.variants)
            for place in range(len(places) + 1)
            if place != state[variant]
        ]
        weights = [math.exp(_SHARP * self._values.get(move, 0.0)) for move in moves]
        return random.choices(moves, weights)[0]


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
        """Add a placement and drop those that it dominates; False: another is as good or better."""
        added = super().add(placement)
        if len(self.front) > self._most:
            self._prune()
        return added

    def dominating(self, placement: Placement) -> list[Placement]:
        """Return the placements of the front that dominate `placement`."""
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


STEPS = 6000
ARCHIVE = 64
HOT, COLD = 0.5, 1e-3  # temperatures at the first step and the last
RESTART = 200  # steps


def anneal(
    problem: PlacementProblem,
    random: Random,
    start: State | None = None,
    steps: int = STEPS,
    momentum: Momentum | None = None,
) -> list[Placement]:
    """A front by simulated annealing, from `start` or from nothing loaded.

    After PGSAM of QEIL v2, our algorithm: what something dominates is accepted with
    exp(-amount/temperature), the amount being how much worse it is in the mean, in parts of what
    was seen of each objective. Temperature falls by the same factor each step, and every RESTART
    steps the search goes on from anywhere on the front. Without `momentum` all moves are as likely.
    """
    search = _Search(problem, random, momentum)
    search.begin(start)
    for step in range(steps):
        if step and not step % RESTART:
            search.current = random.choice(search.archive.front)
        search.step(HOT * (COLD / HOT) ** (step / max(1, steps - 1)))
    return search.archive.front


class _Search:
    def __init__(
        self, problem: PlacementProblem, random: Random, momentum: Momentum | None
    ) -> None:
        self._problem, self._random, self._momentum = problem, random, momentum
        self.archive = Archive(ARCHIVE)
        self._known: dict[State, Placement | None] = {}
        self._movable = [i for i, places in enumerate(problem.variants) if places]

    def begin(self, start: State | None) -> None:
        """From there, if it fits."""
        empty = self._problem.placement((0,) * len(self._problem.variants))
        assert empty is not None  # what takes no memory fits into any
        self._least, self._most = [*empty.cost], [*empty.cost]
        self.current = empty
        self.archive.add(empty)
        first = None if start is None else self._problem.placement(start)
        if first is not None:
            self._seen(first)
            self.current = first
            self.archive.add(first)

    def step(self, temperature: float) -> None:
        """Try a neighbour."""
        if not self._movable:
            return
        variant, place = self._move()
        new = self._fitting(variant, place)
        self._seen(new)
        better = self.archive.dominating(new)
        if self.current.dominates(new):
            better.append(self.current)
        accepted = not better or self._random.random() < self._chance(new, better, temperature)
        if self._momentum is not None:
            self._momentum.learn((variant, place), good=not better)
        if accepted:
            self.current = new
        if not better:
            self.archive.add(new)

    def _move(self) -> tuple[int, int]:
        """A variant, and another place for it than it has."""
        state, random = self.current.state, self._random
        if self._momentum is not None:
            return self._momentum.draw(self._problem, state, random)
        variant = random.choice(self._movable)
        place = random.randrange(len(self._problem.variants[variant]))
        return variant, place + (place >= state[variant])

    def _fitting(self, variant: int, place: int) -> Placement:
        """The state after a move; others are unloaded until it fits, or else it is itself."""
        state = [*self.current.state]
        state[variant] = place
        others = [i for i, loaded in enumerate(state) if loaded and i != variant]
        while (placement := self._placement((*state,))) is None:
            evicted = others.pop(self._random.randrange(len(others))) if others else variant
            state[evicted] = 0
        return placement

    def _placement(self, state: State) -> Placement | None:
        """A cold search comes by the same states again and again."""
        if state not in self._known:
            self._known[state] = self._problem.placement(state)
        return self._known[state]

    def _seen(self, placement: Placement) -> None:
        for i, value in enumerate(placement.cost):
            self._least[i] = min(self._least[i], value)
            self._most[i] = max(self._most[i], value)

    def _chance(self, new: Placement, better: list[Placement], temperature: float) -> float:
        amount = sum(self._amount(one, new) for one in better) / len(better)
        return math.exp(-amount / temperature)

    def _amount(self, one: Placement, other: Placement) -> float:
        """How far the two are apart, 0 to 1."""
        spans = [most - least for most, least in zip(self._most, self._least, strict=True)]
        parts = [
            abs(one.cost[i] - other.cost[i]) / span for i, span in enumerate(spans) if span > 0.0
        ]
        return sum(parts) / len(spans)
