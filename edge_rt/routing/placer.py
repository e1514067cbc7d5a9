"""Chooses the variants that stay in memory, by recent requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from edge_rt.core.errors import EdgeError, ModelNotFound
from edge_rt.core.routing import USUAL_TOKENS, LoadConfig, Prediction, Prefer, RequestTokens
from edge_rt.energy.calibration.measurement import ModelHost
from edge_rt.engine.model_pool import LoadRequest, ModelPool
from edge_rt.generation.state import Alone
from edge_rt.governor.loop import GovernorLoop
from edge_rt.models.record import ModelRecord, writers
from edge_rt.routing.candidates import Candidates
from edge_rt.routing.choice.ask import Variant
from edge_rt.routing.choice.history import Bucket
from edge_rt.routing.loading import Room, load_config_of, resident_name
from edge_rt.routing.placement import (
    NEVER,
    ModelPlace,
    PlacementCost,
    PlacementProblem,
    RequestKind,
    State,
)
from edge_rt.routing.placing import Circumstances, Occasion, enumerate_all, judge, pick, sparing
from edge_rt.routing.routes import Routes
from edge_rt.routing.variants import Variants

log = logging.getLogger(__name__)

LOOK_S = 30.0
MOST_STATES = 16_384  # that are looked at: up to a second of computing on a small board
_MIDDLE = 0.75  # of the next power of two, where tokens lie in the mean

Preload = Callable[[str, LoadConfig], Awaitable[object]]
"""Loads a model by its id, in that form as far as it can be had."""


@dataclass(frozen=True)
class _Placement:
    """A problem, whose variants and places these are, and what is loaded of them now.

    Its joules are seconds where `prefer` says so, since joules are not known of all.
    """

    problem: PlacementProblem
    entries: Sequence[ModelRecord]
    load_configs: Sequence[Sequence[LoadConfig]]
    before: State
    prefer: Prefer


class Placer:
    """Loads and unloads while no request waits, where that repays; see routing.placing.

    Models that the router would not choose count for nothing; see Bucket.
    """

    def __init__(
        self,
        routes: Routes,
        variants: Variants,
        candidates: Candidates,
        *,
        governor_loop: GovernorLoop,
        pool: ModelPool,
        room: Room,
        alone: Alone,
        fixed: Collection[str],
    ) -> None:
        """`fixed` are the names of models that stay whatever comes."""
        self._routes, self._variants, self._candidates = routes, variants, candidates
        self._governor_loop, self._pool, self._room = governor_loop, pool, room
        self._alone, self._names = alone, fixed
        self._fixed: frozenset[str] = frozenset()  # their ids
        self._occasion = Occasion()

    async def look(self, host: ModelHost, preload: Preload) -> str | None:
        """Place the host's models again if that is due; return the decision and its reason."""
        limits = self._governor_loop.limits
        if self._alone.refusal() is not None or limits.admission != "open":
            return None
        self._fixed = frozenset(_ids(self._names, host))
        planned = self._placement(writers(host.entries()))
        if planned is None or self._occasion.due(now := self._circumstances(planned)) is None:
            return None
        problem, before = planned.problem, planned.before
        found = await asyncio.to_thread(enumerate_all, problem)
        best, rate = pick(found, planned.prefer), now.per_second
        after = sparing(problem, before, best, rate, planned.prefer)
        change = judge(problem, before, after, rate, planned.prefer, heavy=limits.heavy)
        done = after.state if change.made else before
        self._occasion.planned(now, waits=done != best.state)
        if change.made:
            await self._change(planned, after.state, preload)
            log.info("models were placed anew: %s", change.why)
        return change.why

    async def _change(self, planned: _Placement, after: State, preload: Preload) -> None:
        try:
            for entry, old, new in zip(planned.entries, planned.before, after, strict=True):
                if old and new != old:
                    await self._pool.unload(resident_name(entry))
            rows = zip(planned.entries, planned.load_configs, planned.before, after, strict=True)
            for entry, load_configs, old, new in rows:
                if new and new != old:
                    await preload(entry.id, load_configs[new - 1])
        except EdgeError as error:  # the next request loads what it needs
            log.warning("models could not be placed as is best: %s", error)

    # --- the problem

    def _circumstances(self, planned: _Placement) -> Circumstances:
        seen = self._governor_loop.seen
        temp_c = None if seen is None else seen.temp_c
        # That of the board while it answers, since the yield of one at rest says nothing.
        entry = planned.entries[0]
        usual = self._predicted(entry, self._variants.load_config(entry), USUAL_TOKENS)
        return Circumstances(
            phi=self._governor_loop.heat.leakage.phi(usual and usual.power_w, temp_c),
            guard=self._governor_loop.limits.guard,
            usable_bytes=planned.problem.usable_bytes,
            mix={**self._routes.mix.shares()},
            per_second=self._routes.mix.per_second(),
            heavy=self._governor_loop.limits.heavy,
            smaller=self._governor_loop.limits.smaller,
        )

    def _placement(self, entries: Sequence[ModelRecord]) -> _Placement | None:
        """Return what to place; None where only one variant in one form is asked for."""
        shares = self._routes.mix.shares()
        asked = {id for bucket in shares for id in bucket.able(self._governor_loop.limits)}
        known = [entry for entry in entries if entry.id in asked]
        sizes = {entry.id: self._loads(entry) for entry in known}
        free = self._movable(known, sizes, shares)
        if sum(map(len, sizes.values())) < 2 or not free:
            return None
        found = self._variants.of(known, self._governor_loop.limits.threads)
        variants = {variant.id: variant for variant in found}
        takes = {(e.id, f): self._takes(e, f, shares) for e in known for f in sizes[e.id]}
        told = [one for row in takes.values() for one in row.values() if one is not None]
        joules = all(one.energy_j is not None for one in told)
        costs = {way: {b: _cost(p, joules) for b, p in row.items()} for way, row in takes.items()}
        loads = {id: self._load(variant, joules) for id, variant in variants.items()}
        demand = {
            b: min(_both(row[b], loads[id]) for (id, _), row in costs.items()) for b in shares
        }
        able = [bucket for bucket in shares if demand[bucket] != NEVER]
        places = [
            [
                ModelPlace(
                    bytes=size,
                    costs=tuple(costs[e.id, load][bucket] for bucket in able),
                    load=loads[e.id],
                )
                for load, size in sizes[e.id].items()
            ]
            for e in free
        ]
        mix = [RequestKind(shares[bucket], demand[bucket]) for bucket in able]
        before = tuple(int(self._pool.get(resident_name(e)) is not None) for e in free)
        problem, load_configs = (
            PlacementProblem(places, self._usable(free), mix),
            [[*sizes[e.id]] for e in free],
        )
        return _Placement(problem, free, load_configs, before, "energy" if joules else "latency")

    def _movable(
        self,
        known: Sequence[ModelRecord],
        sizes: Mapping[str, Collection[LoadConfig]],
        shares: Mapping[Bucket, float],
    ) -> list[ModelRecord]:
        """Return the models to place; of too many, those that serve the most requests."""
        limits, states, found = self._governor_loop.limits, 1, set[str]()
        free = [entry for entry in known if entry.id not in self._fixed]
        served = {e.id: sum(s for b, s in shares.items() if e.id in b.able(limits)) for e in free}
        for entry in sorted(free, key=lambda entry: -served[entry.id]):
            states *= len(sizes[entry.id]) + 1
            if states <= MOST_STATES:
                found.add(entry.id)
        return [entry for entry in free if entry.id in found]

    def _usable(self, free: Iterable[ModelRecord]) -> list[float]:
        """Bytes of the board and of its GPU that others than those do not take."""
        names = {resident_name(entry) for entry in free}
        residents = self._pool.residents()
        others = [_sizes(r.wanted) for r in residents if r.wanted.model not in names]
        whole = self._room.usable_bytes, self._room.gpu_bytes
        return [max(0.0, all - sum(taken)) for all, *taken in zip(whole, *others, strict=True)]

    def _loads(self, entry: ModelRecord) -> dict[LoadConfig, tuple[float, float]]:
        """Return the memory of each form to choose from, the present one first.

        A model that stays has the present form alone, others no form that failed lately.
        """
        resident = self._pool.get(resident_name(entry))
        ways = [*self._room.ways(entry).values()]
        if resident is not None:
            ways.insert(0, resident.wanted)
        found = {load_config_of(way.spec): _sizes(way) for way in ways}
        if entry.id not in self._fixed:
            return found
        first = next(iter(found))
        return {first: found[first]}

    def _load(self, variant: Variant, joules: bool) -> PlacementCost:
        """What loading takes; nothing where it is loaded anyway."""
        if variant.id in self._fixed:
            return PlacementCost(0.0, 0.0)
        return PlacementCost(variant.load_j if joules else variant.load_s, variant.load_s)

    def _takes(
        self, entry: ModelRecord, load: LoadConfig, buckets: Iterable[Bucket]
    ) -> dict[Bucket, Prediction | None]:
        """What a request of each kind takes; None where it cannot be had, or nobody knows."""
        return {
            bucket: self._predicted(entry, load, _tokens(bucket))
            if entry.id in bucket.able(self._governor_loop.limits)
            else None
            for bucket in buckets
        }

    def _predicted(
        self, entry: ModelRecord, load: LoadConfig, tokens: RequestTokens
    ) -> Prediction | None:
        limits = self._governor_loop.limits
        found = self._candidates.predict(entry, limits.threads, tokens, limits, load=load)
        return found if isinstance(found, Prediction) else None


def _ids(names: Collection[str], host: ModelHost) -> Iterator[str]:
    """Yield the ids of the models that exist; "default" names one, too."""
    for name in names:
        with suppress(ModelNotFound):
            yield host.entry(name).id


def _sizes(wanted: LoadRequest) -> tuple[float, float]:
    """What it takes of the board's memory and of a GPU's."""
    return float(wanted.need_bytes), float(wanted.gpu_bytes)


def _tokens(bucket: Bucket) -> RequestTokens:
    """Return the mean tokens of a bucket, none of them cached."""
    return RequestTokens(round(_MIDDLE * bucket.prompt), 0, round(_MIDDLE * bucket.completion))


def _cost(found: Prediction | None, joules: bool) -> PlacementCost:
    """Return the cost of a prediction; without `joules` its seconds count."""
    if found is None:
        return NEVER
    known_j = found.energy_j if joules else None
    return PlacementCost(found.seconds if known_j is None else known_j, found.seconds)


def _both(one: PlacementCost, two: PlacementCost) -> PlacementCost:
    return PlacementCost(one.energy_j + two.energy_j, one.seconds + two.seconds)
