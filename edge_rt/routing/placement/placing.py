"""The placement to have: the front, and which of it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from edge_rt.core.routing import Prefer
from edge_rt.routing.choice.figures import TIE
from edge_rt.routing.placement.annealing import anneal
from edge_rt.routing.placement.enumeration import enumerate_all
from edge_rt.routing.placement.placement import Placement, Problem, State

ENUMERATED = 1_000_000  # states at most; more are searched


def front(
    problem: Problem, random: Random, start: State | None = None, enumerated: int = ENUMERATED
) -> list[Placement]:
    """The placements that none dominates, by rising joules; the true ones where states are few.

    It takes seconds of computing where there are almost as many states as are enumerated.
    """
    if problem.states <= enumerated:
        return enumerate_all(problem)
    return anneal(problem, random, start)


def pick(found: Sequence[Placement], prefer: Prefer, latency_s: float | None = None) -> Placement:
    """The best of a front that is not empty: the fewest joules, or the fewest seconds if preferred.

    Of those alone whose mean seconds are at most `latency_s`, if there are any. Ties go to the
    other of the two, and then to what leaves less of the board idle.
    """
    kept = [p for p in found if latency_s is None or p.cost.seconds <= latency_s]
    rest = kept or [min(found, key=lambda p: p.cost.seconds)]
    for axis in (1, 0) if prefer == "latency" else (0, 1):
        least = min(p.cost[axis] for p in rest)
        rest = [p for p in rest if p.cost[axis] <= least * (1.0 + TIE)]
    return min(rest, key=lambda p: (p.idle, p.cost))
