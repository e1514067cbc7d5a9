"""How well the search for placements does against enumeration, and what momentum adds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import mean

from benchlib.annealing import STEPS, Momentum, anneal
from edge_rt.routing.placement import (
    NEVER,
    ModelPlace,
    PlacementCost,
    PlacementProblem,
    RequestKind,
)
from edge_rt.routing.placing import enumerate_all

VARIANTS, PLACES = 8, 3
STATES = (PLACES + 1) ** VARIANTS  # 65,536
_SOURCES, _KINDS = 4, 10


def random_problem(random: Random, variants: int = VARIANTS) -> PlacementProblem:
    """Models of which there are several variants, on a board with a CPU and a GPU.

    A variant can be on the CPU, on the GPU in part, or wholly; the more of it is on the GPU the
    faster it is, and the more watts it draws. One kind of requests takes any model, the others one
    of them each. Half of the boards have one memory, the others two; not all of the models fit.
    """
    memories = random.choice((1, 2))
    sources = [i % _SOURCES for i in range(variants)]
    wants = [None, *(random.randrange(min(_SOURCES, variants)) for _ in range(_KINDS - 1))]
    lengths = [random.lognormvariate(0.0, 0.7) for _ in wants]
    sizes = [random.lognormvariate(0.0, 0.6) for _ in range(variants)]
    places = [
        _places(random, sources[i], sizes[i], wants, lengths, memories) for i in range(variants)
    ]
    shares = [random.lognormvariate(0.0, 0.8) for _ in wants]
    mix = [
        RequestKind(share / sum(shares), _on_demand(random, places, kind))
        for kind, share in enumerate(shares)
    ]
    usable = [random.uniform(0.5, 0.9) * sum(sizes) / memories for _ in range(memories)]
    return PlacementProblem(places, usable, mix)


def _places(
    random: Random,
    source: int,
    size: float,
    wants: list[int | None],
    lengths: list[float],
    memories: int,
) -> list[ModelPlace]:
    found: list[ModelPlace] = []
    speed, watts = random.lognormvariate(0.0, 0.3) / size, random.uniform(3.0, 6.0)
    for share in (0.0, 0.5, 1.0):  # of its layers on the GPU
        fast = speed * (1.0 + share * random.uniform(0.5, 4.0))
        drawn = watts * (1.0 + share * random.uniform(1.0, 8.0))
        costs = [
            PlacementCost(drawn * length / fast, length / fast) if want in (None, source) else NEVER
            for want, length in zip(wants, lengths, strict=True)
        ]
        parts = (size * (1.0 - share), size * share)
        taken = parts if memories == 2 else (sum(parts),)
        load = PlacementCost(size * random.uniform(2.0, 6.0), size * random.uniform(0.5, 2.0))
        found.append(ModelPlace(taken, tuple(costs), load))
    return found


def _on_demand(random: Random, places: list[list[ModelPlace]], kind: int) -> PlacementCost:
    """What the thriftiest takes, with its loading."""
    able = [p for one in places for p in one if p.costs[kind] != NEVER]
    place = min(able, key=lambda p: p.costs[kind].energy_j + p.load.energy_j)
    cost = place.costs[kind]
    return PlacementCost(cost.energy_j + place.load.energy_j, cost.seconds + place.load.seconds)


INSTANCES = 20
SHORT = 1500  # steps, after which the search has not found everything yet
_REPEATS = 5  # of each short search, with other random numbers

Say = Callable[[str], None]


@dataclass(frozen=True)
class Instance:
    """A problem with the worst point that counts, its true hypervolume, and how it was got."""

    seed: int
    problem: PlacementProblem
    reference: Point
    true: float
    front: int
    enumeration_s: float

    def share(self, found: Sequence[PlacementCost]) -> float:
        """Return the share of the true hypervolume that `found` has."""
        return hypervolume(found, self.reference) / self.true


@dataclass(frozen=True)
class Search:
    """The share that one search reached, and the seconds that it took."""

    share: float
    seconds: float


def instance(seed: int, clock: Callable[[], float] = time.perf_counter) -> Instance:
    """A random one."""
    problem = random_problem(Random(seed))
    start_s = clock()
    true = [placement.cost for placement in enumerate_all(problem)]
    took_s, reference = clock() - start_s, worst(true)
    return Instance(seed, problem, reference, hypervolume(true, reference), len(true), took_s)


def search(
    one: Instance,
    steps: int,
    momentum: bool,
    repeat: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> Search:
    """One search; `repeat` gives it other random numbers."""
    random, kept = Random(1000 * repeat + one.seed), Momentum() if momentum else None
    start_s = clock()
    found = anneal(one.problem, random, steps=steps, momentum=kept)
    took_s = clock() - start_s
    return Search(one.share([placement.cost for placement in found]), took_s)


def values(instances: Sequence[Instance], say: Say) -> dict[str, float]:
    """All that the benchmark tells.

    `momentum_gain` is the share of hypervolume that momentum adds to a short search in the same
    time, `momentum_gain_same_steps` in as many steps.
    """
    whole = [search(one, STEPS, momentum=False) for one in instances]
    say(f"{len(instances)} searches of {STEPS} steps took {sum(s.seconds for s in whole):.1f} s")
    plain, moved = _both(instances, SHORT)
    slower = mean(s.seconds for s in moved) / mean(s.seconds for s in plain)
    timed = _short(instances, round(SHORT / slower), momentum=True)
    say(f"short searches took {slower:.2f} times as long a step with momentum")
    return {
        "placement_hv_min": min(s.share for s in whole),
        "placement_hv_mean": mean(s.share for s in whole),
        "placement_s": max(s.seconds for s in whole),
        "enumeration_s": max(one.enumeration_s for one in instances),
        "front_mean": mean(one.front for one in instances),
        "short_hv_mean": mean(s.share for s in plain),
        "momentum_gain": mean(s.share for s in timed) - mean(s.share for s in plain),
        "momentum_gain_same_steps": mean(s.share for s in moved) - mean(s.share for s in plain),
        "momentum_slower": slower,
    }


def _both(instances: Sequence[Instance], steps: int) -> tuple[list[Search], list[Search]]:
    """Search without and with momentum, in turns."""
    plain: list[Search] = []
    moved: list[Search] = []
    for repeat in range(_REPEATS):
        for one in instances:
            plain.append(search(one, steps, momentum=False, repeat=repeat))
            moved.append(search(one, steps, momentum=True, repeat=repeat))
    return plain, moved


def _short(instances: Sequence[Instance], steps: int, momentum: bool) -> list[Search]:
    return [search(one, steps, momentum, r) for r in range(_REPEATS) for one in instances]


Point = tuple[float, float]


def hypervolume(points: Iterable[Point], reference: Point) -> float:
    """The area that points dominate up to `reference`, less being better in both."""
    area, floor = 0.0, reference[1]
    for x, y in sorted(points):
        if x < reference[0] and y < floor:
            area += (reference[0] - x) * (floor - y)
            floor = y
    return area


def worst(points: Iterable[Point], beyond: float = 0.1) -> Point:
    """A reference for a true front: its worst values and a tenth of its span beyond them.

    A front of one point is taken to span its own values.
    """
    columns = [*zip(*points, strict=True)]
    spans = [(max(column) - min(column)) or abs(max(column)) for column in columns]
    ends = [max(column) + beyond * span for column, span in zip(columns, spans, strict=True)]
    return ends[0], ends[1]
