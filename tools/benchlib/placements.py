"""Random boards with models to place on them."""

from __future__ import annotations

from random import Random

from edge_rt.routing.placement import (
    NEVER,
    ModelPlace,
    PlacementCost,
    PlacementProblem,
    RequestKind,
)

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
    for device, layers in (("cpu", 0), ("gpu", 14), ("gpu", 28)):
        share = layers / 28
        fast = speed * (1.0 + share * random.uniform(0.5, 4.0))
        drawn = watts * (1.0 + share * random.uniform(1.0, 8.0))
        costs = [
            PlacementCost(drawn * length / fast, length / fast) if want in (None, source) else NEVER
            for want, length in zip(wants, lengths, strict=True)
        ]
        parts = (size * (1.0 - share), size * share)
        taken = parts if memories == 2 else (sum(parts),)
        load = PlacementCost(size * random.uniform(2.0, 6.0), size * random.uniform(0.5, 2.0))
        found.append(ModelPlace(device, layers, taken, tuple(costs), load))
    return found


def _on_demand(random: Random, places: list[list[ModelPlace]], kind: int) -> PlacementCost:
    """What the thriftiest takes, with its loading."""
    able = [p for one in places for p in one if p.costs[kind] != NEVER]
    place = min(able, key=lambda p: p.costs[kind].energy_j + p.load.energy_j)
    cost = place.costs[kind]
    return PlacementCost(cost.energy_j + place.load.energy_j, cost.seconds + place.load.seconds)
