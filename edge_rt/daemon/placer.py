"""Which variants stay in memory, by what was asked for of late."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from edge_rt.daemon.alone import Alone
from edge_rt.daemon.candidates import Candidates
from edge_rt.daemon.governing import Governing
from edge_rt.daemon.kinds import writers
from edge_rt.daemon.measuring import Host
from edge_rt.daemon.room import Room
from edge_rt.daemon.routed import Bucket
from edge_rt.daemon.routes import Routes
from edge_rt.daemon.variants import Variants
from edge_rt.daemon.wanted import resident_name
from edge_rt.energy.prediction import Prediction
from edge_rt.engine.residency import Residency
from edge_rt.errors import EdgeError, ModelNotFound
from edge_rt.models.entry import Entry
from edge_rt.routing.ask import Prefer
from edge_rt.routing.placement import NEVER, Cost, Place, Problem, RequestKind, State
from edge_rt.routing.placing import front, pick
from edge_rt.routing.replanning import Circumstances, Occasion, judge
from edge_rt.routing.variant import Variant

log = logging.getLogger(__name__)

LOOK_S = 30.0
_ENUMERATED = 4096  # states: some hundredths of a second, as long as a change does not repay
_MIDDLE = 0.75  # of the next power of two, where tokens lie in the mean
_USUAL = (256, 0, 128)  # prompt, cached and completion tokens
_DEVICE = "board"  # a model has one place, as it is loaded or usually is, or none


@dataclass(frozen=True)
class _Plan:
    """A problem, whose variants these are, and what is loaded of them now.

    Its joules are seconds where `prefer` says so, since joules are not known of all.
    """

    problem: Problem
    entries: Sequence[Entry]
    before: State
    prefer: Prefer


class Placer:
    """Loads and unloads while nobody waits, where that repays; see routing.replanning."""

    def __init__(
        self,
        routes: Routes,
        variants: Variants,
        candidates: Candidates,
        governing: Governing,
        residency: Residency,
        room: Room,
        alone: Alone,
        fixed: Collection[str],
        random: Random,
    ) -> None:
        """`fixed` are the names of models that stay whatever comes."""
        self._routes, self._variants, self._candidates = routes, variants, candidates
        self._governing, self._residency, self._room = governing, residency, room
        self._alone, self._names, self._random = alone, fixed, random
        self._fixed: frozenset[str] = frozenset()  # their ids
        self._occasion = Occasion()

    async def look(self, host: Host, preload: Callable[[str], Awaitable[object]]) -> str | None:
        """Place the host's models anew if that is due; gives what was decided, and why.

        `preload` loads one by its id.
        """
        limits = self._governing.limits
        if self._alone.refusal() is not None or limits.admission != "open":
            return None
        self._fixed = frozenset(_ids(self._names, host))
        plan = self._plan(writers(host.entries()))
        if plan is None or self._occasion.due(now := self._circumstances(plan)) is None:
            return None
        problem, before = plan.problem, plan.before
        found = await asyncio.to_thread(front, problem, self._random, before, _ENUMERATED)
        after, rate = pick(found, plan.prefer), self._routes.mix.per_second()
        change = judge(problem, before, after, rate, plan.prefer, heavy=limits.heavy)
        if change.made or after.state == before:  # else it may repay with more requests
            self._occasion.planned(now)
        if change.made:
            await self._change(plan, after.state, preload)
            log.info("models were placed anew: %s", change.why)
        return change.why

    async def _change(
        self, plan: _Plan, after: State, preload: Callable[[str], Awaitable[object]]
    ) -> None:
        try:
            for entry, old, new in zip(plan.entries, plan.before, after, strict=True):
                if old and not new:
                    await self._residency.unload(resident_name(entry))
            for entry, old, new in zip(plan.entries, plan.before, after, strict=True):
                if new and not old:
                    await preload(entry.id)
        except EdgeError as error:  # the next request loads what it needs
            log.warning("models could not be placed as is best: %s", error)

    # --- the problem

    def _circumstances(self, plan: _Plan) -> Circumstances:
        seen = self._governing.seen
        temp_c = None if seen is None else seen.temp_c
        # That of the board while it answers, since the yield of one at rest says nothing.
        usual = self._foretold(plan.entries[0], _USUAL)
        return Circumstances(
            phi=self._governing.heat.leakage.phi(usual and usual.power_w, temp_c),
            guard=self._governing.limits.guard,
            usable_bytes=plan.problem.usable_bytes,
            mix={**self._routes.mix.shares()},
        )

    def _plan(self, entries: Sequence[Entry]) -> _Plan | None:
        """None where there is nothing to choose: fewer than two variants are asked for."""
        shares = self._routes.mix.shares()
        asked = {id for bucket in shares for id in bucket.models}
        known = [entry for entry in entries if entry.id in asked]
        free = [entry for entry in known if entry.id not in self._fixed]
        if len(known) < 2 or not free:
            return None
        found = self._variants.of(known, self._governing.limits.threads)
        variants = {variant.id: variant for variant in found}
        takes = {e.id: {bucket: self._takes(e, bucket) for bucket in shares} for e in known}
        told = [one for row in takes.values() for one in row.values() if one is not None]
        joules = all(one.energy_j is not None for one in told)
        costs = {id: {b: _cost(one, joules) for b, one in row.items()} for id, row in takes.items()}
        loads = {id: self._load(variant, joules) for id, variant in variants.items()}
        demand = {b: min(_both(costs[id][b], loads[id]) for id in costs) for b in shares}
        able = [bucket for bucket in shares if demand[bucket] != NEVER]
        residents = {r.wanted.model: r.wanted.need_bytes for r in self._residency.residents()}
        places = [
            Place(
                _DEVICE,
                gpu_layers=variants[e.id].gpu_layers[0],
                bytes=(residents.get(resident_name(e), _bytes(variants[e.id])),),
                costs=tuple(costs[e.id][bucket] for bucket in able),
                load=loads[e.id],
            )
            for e in free
        ]
        mix = [RequestKind(shares[bucket], demand[bucket]) for bucket in able]
        before = tuple(int(resident_name(entry) in residents) for entry in free)
        others = sum(residents.values()) - sum(residents.get(resident_name(e), 0) for e in free)
        usable = max(0.0, float(self._room.usable_bytes - others))
        problem = Problem([[place] for place in places], [usable], mix)
        return _Plan(problem, free, before, "energy" if joules else "latency")

    def _load(self, variant: Variant, joules: bool) -> Cost:
        """What loading takes; nothing where it is loaded anyway."""
        if variant.id in self._fixed:
            return Cost(0.0, 0.0)
        return Cost(variant.load_j if joules else variant.load_s, variant.load_s)

    def _takes(self, entry: Entry, bucket: Bucket) -> Prediction | None:
        """What a request of that kind takes; None where it cannot be had, or nobody knows."""
        tokens = round(_MIDDLE * bucket.prompt), 0, round(_MIDDLE * bucket.completion)
        return self._foretold(entry, tokens) if entry.id in bucket.models else None

    def _foretold(self, entry: Entry, tokens: tuple[int, int, int]) -> Prediction | None:
        limits, form = self._governing.limits, self._variants.form(entry)
        found = self._candidates.predict(entry, limits.threads, tokens, limits, form=form)
        return found if isinstance(found, Prediction) else None


def _ids(names: Collection[str], host: Host) -> Iterator[str]:
    """Of those that there are: "default" is the name of a model as well."""
    for name in names:
        with suppress(ModelNotFound):
            yield host.entry(name).id


def _cost(found: Prediction | None, joules: bool) -> Cost:
    """Without `joules` a watt is as good as another."""
    if found is None:
        return NEVER
    known_j = found.energy_j if joules else None
    return Cost(found.seconds if known_j is None else known_j, found.seconds)


def _both(one: Cost, two: Cost) -> Cost:
    return Cost(one.energy_j + two.energy_j, one.seconds + two.seconds)


def _bytes(variant: Variant) -> float:
    """In its usual form."""
    return variant.demand(next(iter(variant.kv_bytes))).bytes
