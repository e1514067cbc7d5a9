"""Every placement there is, where they are few."""

from __future__ import annotations

from edge_rt.routing.placement.archive import Archive
from edge_rt.routing.placement.memory_pressure import feasible
from edge_rt.routing.placement.placement import Cost, Placement, Problem, better

_ALL = 1 << 62


def enumerate_all(problem: Problem) -> list[Placement]:
    """The true front: all states are looked at but those that no longer fit on the way."""
    walk = _Walk(problem)
    walk.down(0, (), problem.unserved, [0.0] * len(problem.usable_bytes))
    return walk.archive.front


class _Walk:
    def __init__(self, problem: Problem) -> None:
        self._problem, self.archive = problem, Archive(_ALL)

    def down(
        self, variant: int, state: tuple[int, ...], served: tuple[Cost, ...], taken: list[float]
    ) -> None:
        """All that begins with `state`, which serves as told and takes so much memory."""
        problem = self._problem
        pressure = problem.pressure(taken)
        if not feasible(pressure):
            return
        if variant == len(problem.variants):
            self.archive.add(problem.judged(state, served, pressure))
            return
        self.down(variant + 1, (*state, 0), served, taken)
        for place, one in enumerate(problem.variants[variant], 1):
            more = better(served, problem.costs(variant, place))
            sizes = [a + b for a, b in zip(taken, one.bytes, strict=True)]
            self.down(variant + 1, (*state, place), more, sizes)
