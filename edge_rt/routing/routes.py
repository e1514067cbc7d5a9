"""Which model answers a request, of all that could."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import msgspec

from edge_rt.core.errors import RequestError
from edge_rt.core.requests import Plan
from edge_rt.core.routing import (
    SINGLE,
    DecodingRequest,
    Objectives,
    Prediction,
    RequestTokens,
    RouteRequest,
    RunConfig,
    Unpredicted,
)
from edge_rt.core.trace import Candidate, Trace
from edge_rt.engine.client import EngineClient
from edge_rt.engine.model_pool import ModelPool
from edge_rt.governor.loop import GovernorLoop
from edge_rt.models.loading import resident_name
from edge_rt.models.record import ModelRecord
from edge_rt.routing.candidates import Candidates
from edge_rt.routing.choice.ask import Ask, Now, select
from edge_rt.routing.choice.router import route as choose
from edge_rt.routing.choice.traces import Traces
from edge_rt.routing.choice.words import gave_way, unroutable
from edge_rt.routing.decoding_options import DecodingOption, DecodingOptions, offer, partners
from edge_rt.routing.host import ModelHost
from edge_rt.routing.lengths import Lengths, Sizing
from edge_rt.routing.loading import Room
from edge_rt.routing.quality import Floor
from edge_rt.routing.variants import Variants, known_as, leaves_open, named

ONLY = "nothing else was asked for"  # why a model answers that nobody had to choose


class Routes:
    """Routes requests, and keeps the traces of the choices."""

    def __init__(
        self,
        candidates: Candidates,
        variants: Variants,
        lengths: Lengths,
        *,
        governor_loop: GovernorLoop,
        pool: ModelPool,
        room: Room,
        floor: Floor,
        connect: Callable[[], Awaitable[EngineClient]],
    ) -> None:
        """`connect` gives the live engine."""
        self.floor = floor
        self._candidates, self._variants, self._lengths = candidates, variants, lengths
        self._sizing = Sizing(lengths, connect)
        self._governor_loop, self._pool, self._room = governor_loop, pool, room
        self.traces = Traces()

    async def route(self, request: RouteRequest, host: ModelHost) -> Plan:
        """Return the plan of a request. Where one model alone may answer, it does without figures.

        Threads are chosen for requests that leave the model open or name an objective. They hold as
        long as no other answer takes more: all that share a pass share its threads.
        """
        entries = named(request.model, host)
        able = self._admitted(request.model, entries)
        offers, unfit = self._offers(able, request, host)
        completion = self._lengths.expected(request.max_tokens, ignore_eos=request.ignore_eos)
        only = able[0] if len(able) == 1 else None
        if only is not None and not self._open(only, offers[only.id], request):
            return _plan(only, offers[only.id], offers[only.id].modes[0], ONLY)
        tokens = await self._sizing.tokens(able, request, completion, host)
        trace = self.judge(
            request.model,
            entries,
            tokens,
            request.objectives,
            offers,
            unfit,
            constrained=request.constrained,
        )
        self.traces.keep(request.id, trace)
        if trace.chosen is not None:
            found = self._chosen(request, trace, trace.chosen, able, offers)
        elif only is not None:  # the engine says best what speaks against it
            found = _plan(only, offers[only.id], offers[only.id].modes[0], trace.why)
        else:
            raise unroutable(trace, self._governor_loop.limits)
        return msgspec.structs.replace(found, trace=trace if request.trace else None)

    def _open(self, entry: ModelRecord, offer: DecodingOptions, request: RouteRequest) -> bool:
        """Whether there is anything to choose, or to tell, where `entry` alone may answer."""
        several = len(offer.modes) > 1 or request.trace
        return several or self.threads_open(entry, request.model, request.objectives)

    def _chosen(
        self,
        request: RouteRequest,
        trace: Trace,
        chosen: Candidate,
        able: Sequence[ModelRecord],
        offers: Mapping[str, DecodingOptions],
    ) -> Plan:
        """What `trace` has chosen for the answer to `request`."""
        setting, limits = chosen.setting, self._governor_loop.limits
        entry = next(entry for entry in able if entry.id == setting.variant)
        offer = offers[entry.id]
        found = _plan(entry, offer, offer.of(setting.mode), trace.why)
        fewer = setting.threads if setting.threads < limits.threads else None
        less = found.less or gave_way(trace, request.objectives.quality, self.floor.usual, limits)
        return msgspec.structs.replace(found, threads=fewer, load=setting.load, less=less)

    def threads_open(self, entry: ModelRecord, model: str, objectives: Objectives) -> bool:
        """Whether `entry` may answer for `model` with fewer threads than allowed."""
        most = self._governor_loop.limits.threads
        return leaves_open(model, objectives) and any(
            n < most for n in self._variants.threads(entry)
        )

    def offer(
        self, entry: ModelRecord, request: DecodingRequest, host: ModelHost
    ) -> DecodingOptions:
        """The modes in which `entry` can answer; raises RequestError where it cannot as asked."""
        return offer(entry, request, host, self._governor_loop.limits, self._fits)

    def _fits(self, entry: ModelRecord, partner: ModelRecord) -> bool:
        """Whether `partner` reads as much as `entry`, and is in memory beside it or can be now."""
        if self._variants.context(partner) < self._variants.context(entry):
            return False
        if self._pool.get(resident_name(partner)) is not None:
            return True
        may_load = self._governor_loop.limits.heavy or not self._pool.residents()
        return may_load and self._room.lack(partner, entry) is None

    def _offers(
        self, able: Sequence[ModelRecord], request: RouteRequest, host: ModelHost
    ) -> tuple[dict[str, DecodingOptions], dict[str, str]]:
        """Return the modes of each model by its id, and the reasons of those that have none.

        Raises RequestError where no model has any.
        """
        offers: dict[str, DecodingOptions] = {}
        faults: dict[str, RequestError] = {}
        for entry in able:
            try:
                offers[entry.id] = self._good_offer(entry, request, host)
            except RequestError as error:
                faults[entry.id] = error
        if not offers:
            raise next(iter(faults.values()))
        return offers, {id: str(fault) for id, fault in faults.items()}

    def _good_offer(
        self, entry: ModelRecord, request: RouteRequest, host: ModelHost
    ) -> DecodingOptions:
        """Return the modes of `entry`, with less of it only beside a good enough partner."""
        found = self.offer(entry, request.mode, host)
        partner = None if found.why is None else found.modes[0].partner
        if partner is None or not self.floor.shortfall(partner, entry, request.objectives):
            return found
        limits = replace(self._governor_loop.limits, smaller=False)
        return offer(entry, request.mode, host, limits, self._fits)

    def judge(
        self,
        model: str,
        entries: Sequence[ModelRecord],
        tokens: Mapping[str, RequestTokens | Unpredicted],
        objectives: Objectives,
        offers: Mapping[str, DecodingOptions],
        unfit: Mapping[str, str] | None = None,
        *,
        constrained: bool = False,
    ) -> Trace:
        """Return the choice among `entries`, of which `model` may pin some, and their modes.

        `unfit` tells why others have no mode. The answer is under a constraint where it is
        `constrained`.
        """
        known = {entry.id: entry for entry in entries}

        def predict(setting: RunConfig, asked: RequestTokens) -> Prediction | Unpredicted:
            limits, entry = self._governor_loop.limits, known[setting.variant]
            how = setting.threads, asked, limits, setting.load
            return self._candidates.predict(entry, *how, constrained=constrained)

        ask = Ask(
            tokens=tokens,
            model=known_as(model, entries),
            prefer=objectives.prefer or "energy",
            latency_s=objectives.latency_s,
            energy_j=objectives.energy_j,
            quality=self.floor.now(objectives),
            unfit=unfit or {},
        )
        threads, free = self._governor_loop.limits.threads, leaves_open(model, objectives)
        pool = self._variants.of(entries, threads, offers, any_threads=free)
        there = self._now([*entries, *partners(offers)])
        return choose(ask, pool, there, predict)

    def _now(self, entries: Sequence[ModelRecord]) -> Now:
        limits = self._governor_loop.limits
        residents = {r.wanted.model: r for r in self._pool.residents()}
        busy = {r.wanted.model: r.wanted.need_bytes for r in residents.values() if r.users}
        ids = {resident_name(entry): entry for entry in entries}
        if (
            not residents
        ):  # the first one may be loaded whatever the guard says; see GenerationService
            limits = replace(limits, heavy=True)
        return Now(
            limits=limits,
            threads=(limits.threads,),
            usable_bytes=self._room.usable_bytes,
            loaded={ids[m].id: self._variants.load_config(ids[m]) for m in residents if m in ids},
            in_use={ids[m].id if m in ids else m: size for m, size in busy.items()},
        )

    def named(self, model: str, host: ModelHost) -> list[ModelRecord]:
        """The models that may answer for a name; raises ModelNotFound or RequestError."""
        return self._admitted(model, named(model, host))

    def _admitted(self, model: str, entries: list[ModelRecord]) -> list[ModelRecord]:
        """Return the entries that a pin in `model` admits; raises RequestError for none."""
        if "@" not in model:
            return entries
        pool = self._variants.of(entries, self._governor_loop.limits.threads)
        selection = select(known_as(model, entries), pool)
        ids = {variant.id for variant in selection.variants if selection.admits(variant)}
        return [entry for entry in entries if entry.id in ids]


def _plan(entry: ModelRecord, offer: DecodingOptions, option: DecodingOption, why: str) -> Plan:
    """Return the plan for `entry` in the mode `option`, one of those of `offer`."""
    mode = None if option.mode.name == SINGLE else option.mode
    return Plan(entry.id, mode=mode, why=why, less=offer.why)
