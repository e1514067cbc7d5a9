"""A memory of moves that went well, for the annealing."""

from __future__ import annotations

import math
from random import Random

from edge_rt.routing.placement import PlacementProblem, State

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
