"""Which model answers a request, in which mode, with what prompt, threads and form of loading."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from edge_rt.config.schema import Config
from edge_rt.core.decoding import Gating, Mode
from edge_rt.core.errors import ModelFileError, ModelNotFound, RequestError
from edge_rt.core.limits import Limits
from edge_rt.core.requests import Plan
from edge_rt.core.routing import (
    SINGLE,
    DecodingRequest,
    LoadConfig,
    Objectives,
    Prediction,
    RequestTokens,
    RouteRequest,
    RunConfig,
    Unpredicted,
)
from edge_rt.core.trace import Trace
from edge_rt.engine.model_pool import ModelPool
from edge_rt.governor.loop import GovernorLoop
from edge_rt.models.directory import AUTO, ModelDirectory, alike
from edge_rt.models.loading import context_of, resident_name
from edge_rt.models.pair import LOOKUP, SWITCH
from edge_rt.models.record import ModelRecord, seeing
from edge_rt.routing.candidates import Candidates
from edge_rt.routing.choice.ask import Ask, Now
from edge_rt.routing.choice.rule import choose
from edge_rt.routing.choice.traces import Traces
from edge_rt.routing.choice.words import gave_way, unloadable, unroutable
from edge_rt.routing.decoding_options import ALONE, DecodingOption, offer, partner_of
from edge_rt.routing.lengths import Sizing
from edge_rt.routing.loading import ModelManager, Room
from edge_rt.routing.prompts import Prompting, Prompts
from edge_rt.routing.quality import Floor
from edge_rt.routing.under_cap import BINDS, SMALL, UnderCap
from edge_rt.routing.under_cap import Choice as UnderCapChoice
from edge_rt.routing.variants import Variants

log = logging.getLogger(__name__)

FREE = Objectives()
ONLY = "nothing else was asked for"  # why a model answers that nobody had to choose


class _Choice(NamedTuple):
    """A plan that lacks its prompts; the fields are those of Plan."""

    entry: ModelRecord
    option: DecodingOption
    why: str | None
    threads: int | None = None
    load: LoadConfig | None = None
    less: str | None = None
    trace: Trace | None = None
    asked: str | None = None


def with_cap(why: str, option: DecodingOption) -> str:
    """Return why a model was chosen, with why a cap calls for its mode."""
    return why if option.why is None else f"{why}; {option.why}"


class RequestRouter:
    """Makes the plans of requests, and keeps the traces of its choices."""

    def __init__(
        self,
        config: Config,
        models: ModelDirectory,
        candidates: Candidates,
        variants: Variants,
        sizing: Sizing,
        prompting: Prompting,
        *,
        governor_loop: GovernorLoop,
        manager: ModelManager,
        pool: ModelPool,
        room: Room,
    ) -> None:
        self.floor = Floor(config.router.quality, lambda: governor_loop.limits.smaller)
        self.traces = Traces()
        self.under_cap = UnderCap(config.router.switch, candidates.usual, self.floor)
        self._engine, self._smaller = config.engine, config.models.smaller
        self._models, self._manager, self._pool, self._room = models, manager, pool, room
        self._candidates, self._variants = candidates, variants
        self._sizing, self._prompting = sizing, prompting
        self._governor_loop = governor_loop

    async def route(self, request: RouteRequest) -> Plan:
        """Return the plan of a request. Where one model alone may answer, it does without figures.

        Threads are chosen for requests that leave the model open or name an objective. They hold as
        long as no other answer takes more: all that share a pass share its threads. Raises
        ModelNotFound, or RequestError or Unavailable where nothing can serve the request.
        """
        entries = self._models.candidates(request.model)
        if request.sees is not None:
            entries = seeing(entries, request.sees)
        prompts = Prompts(self._prompting, request.prompt, request.client, self._engine)
        choice = None
        if request.sees is None:
            choice = self.stand_in(request.model, request.mode, request.objectives)
        if choice is None:
            choice = await self._choice(request, entries, prompts)
        return await self._plan(choice, request, prompts)

    # --- stand-ins

    def stand_in(self, model: str, mode: DecodingRequest, objectives: Objectives) -> _Choice | None:
        """Return the smaller model that answers for `model` while the governor asks for that.

        None where `model` may be several, has no such model, would write less by itself, or where
        its stand-in is not good enough. Raises Unavailable if `model` then cannot be loaded either.
        """
        limits, name = self._governor_loop.limits, self._models.resolve(model)
        if name == AUTO or "@" in name:
            return None
        entry = self._models.writer(name)
        by_itself = self.under_cap.lossy and not mode.asks
        choice, small = self._capped(entry, objectives) if by_itself else (None, None)
        if choice is not None and small is not None and choice.way.name == SMALL:
            less = f"{small.id} answers for {entry.id}: {limits.why}"
            return _Choice(small, ALONE, choice.why, less=less, asked=entry.id)
        if not limits.smaller:
            return None
        other = self._smaller_than(entry, limits)
        if other is None or self.offer(entry, mode).mode.name == SWITCH:
            return None
        short = self.floor.shortfall(other, entry, objectives)
        if short is None:
            less = f"{other.id} stands in for {entry.id}: {limits.why}"
            return _Choice(other, ALONE, None, less=less, asked=entry.id)
        if not limits.heavy and self._manager.loads(entry):
            raise unloadable(entry.id, f"{other.id} may not stand in for it: {short}", limits)
        return None

    def _smaller_than(self, entry: ModelRecord, limits: Limits) -> ModelRecord | None:
        name = self._smaller.get(entry.id)
        if name is None:
            return None
        try:
            other = self._models.writer(name)
        except (ModelNotFound, RequestError) as error:
            log.warning("models.smaller: nothing stands in for %s: %s", entry.id, error)
            return None
        blocked = not limits.heavy and self._manager.loads(other)
        return None if blocked and not self._manager.loads(entry) else other

    # --- the choice

    async def _choice(
        self, request: RouteRequest, entries: Sequence[ModelRecord], prompts: Prompts
    ) -> _Choice:
        offers, unfit = self._offers(entries, request)
        only = entries[0] if len(entries) == 1 else None
        if only is not None and not (
            request.trace or self.threads_open(only, request.model, request.objectives)
        ):
            option = offers[only.id]
            return _Choice(only, option, with_cap(ONLY, option))
        trace = self.judge(
            request.model,
            entries,
            await self._sizing.tokens(entries, prompts, request),
            request.objectives,
            offers,
            unfit,
            constrained=request.constrained,
        )
        if trace.chosen is not None:
            why = with_cap(trace.why, offers[trace.chosen.setting.variant])
            trace = replace(trace, why=why)
        self.traces.keep(request.id, trace)
        shown = trace if request.trace else None
        if (chosen := trace.chosen) is not None:
            setting, limits = chosen.setting, self._governor_loop.limits
            entry = next(entry for entry in entries if entry.id == setting.variant)
            fewer = setting.threads if setting.threads < limits.threads else None
            less = gave_way(trace, request.objectives.quality, self.floor.usual, limits)
            option = offers[entry.id]
            return _Choice(entry, option, trace.why, fewer, setting.load, less, shown)
        if only is None:
            raise unroutable(trace, self._governor_loop.limits)
        # The engine says best what speaks against it.
        return _Choice(only, offers[only.id], trace.why, trace=shown)

    def threads_open(self, entry: ModelRecord, model: str, objectives: Objectives) -> bool:
        """Return whether `entry` may answer for `model` with fewer threads than allowed."""
        most = self._governor_loop.limits.threads
        free = self._leaves_threads(model, objectives)
        return free and any(count < most for count in self._variants.threads(entry))

    def _leaves_threads(self, model: str, objectives: Objectives) -> bool:
        """Return whether a request leaves it open with how many threads it is computed."""
        named = self._models.resolve(model).partition("@")[0]
        return named == AUTO or objectives._replace(quality=None) != Objectives()

    def judge(
        self,
        model: str,
        entries: Sequence[ModelRecord],
        tokens: Mapping[str, RequestTokens | Unpredicted],
        objectives: Objectives,
        offers: Mapping[str, DecodingOption],
        unfit: Mapping[str, str] | None = None,
        *,
        constrained: bool = False,
    ) -> Trace:
        """Return the choice among `entries`, which are what `model` means, and their modes.

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
            model=self._models.resolve(model),
            prefer=objectives.prefer or "energy",
            latency_s=objectives.latency_s,
            energy_j=objectives.energy_j,
            quality=self.floor.now(objectives),
            unfit=unfit or {},
        )
        threads, free = self._governor_loop.limits.threads, self._leaves_threads(model, objectives)
        pool = [
            self._variants.of(entry, offers.get(entry.id, ALONE), threads, any_threads=free)
            for entry in entries
        ]
        partners = [one.partner for one in offers.values() if one.partner is not None]
        return choose(ask, pool, self._now([*entries, *partners]), predict)

    def _now(self, entries: Sequence[ModelRecord]) -> Now:
        limits = self._governor_loop.limits
        residents = {r.wanted.model: r for r in self._pool.residents()}
        busy = {r.wanted.model: r.wanted.need_bytes for r in residents.values() if r.users}
        ids = {resident_name(entry): entry for entry in entries}
        if not residents:  # the first one may be loaded whatever the guard says; see ModelManager
            limits = dataclasses.replace(limits, heavy=True)
        return Now(
            limits=limits,
            threads=(limits.threads,),
            usable_bytes=self._room.usable_bytes,
            loaded={ids[m].id: self._variants.load_config(ids[m]) for m in residents if m in ids},
            in_use={ids[m].id if m in ids else m: size for m, size in busy.items()},
        )

    # --- modes

    def offer(
        self,
        entry: ModelRecord,
        request: DecodingRequest,
        objectives: Objectives = FREE,
        *,
        pinned: bool = False,
    ) -> DecodingOption:
        """Return how `entry` decodes; raises RequestError where it cannot as is asked.

        A cap decides for requests that name no mode, unless the model is `pinned`.
        """
        if not (request.asks or pinned):
            choice, partner = self._capped(entry, objectives)
            if choice is not None and choice.way.name != SMALL:
                return self._option(entry, partner, choice)
        return offer(entry, request, self._models, self._fits)

    def _capped(
        self, entry: ModelRecord, objectives: Objectives
    ) -> tuple[UnderCapChoice | None, ModelRecord | None]:
        """Return how `entry` answers under a cap, and with which smaller model, if there is one."""
        limits = self._governor_loop.limits
        left = self._candidates.speed_left(entry, limits)
        if left > BINDS:
            return None, None
        partner, pair = partner_of(entry, DecodingRequest(), self._models)
        if pair is not None and pair.mode is not None:
            return None, None
        if partner is not None and not (
            alike(entry, partner)
            and self._fits(entry, partner)
            and self._room.spare(entry, partner)  # nobody asked for it: it unloads no other model
        ):
            partner = None
        choice = self.under_cap.choose(entry, partner, objectives, limits.threads, left)
        return choice, partner

    def _option(
        self, entry: ModelRecord, partner: ModelRecord | None, choice: UnderCapChoice
    ) -> DecodingOption:
        name, share = choice.way.name, choice.way.share
        if partner is None or name == LOOKUP:
            return DecodingOption(Mode(LOOKUP), why=choice.why)
        if share is None:
            return DecodingOption(Mode(name, partner.id), partner, why=choice.why)
        gating = Gating(self.under_cap.bits(entry, partner, share), share)
        less = f"{partner.id} writes what it is sure of: {self._governor_loop.limits.why}"
        return DecodingOption(Mode(name, partner.id, gating=gating), partner, less, choice.why)

    def _offers(
        self, entries: Sequence[ModelRecord], request: RouteRequest
    ) -> tuple[dict[str, DecodingOption], dict[str, str]]:
        """Return the mode of each model by its id, and the reasons of those that have none.

        Raises RequestError where no model has any.
        """
        offers: dict[str, DecodingOption] = {}
        faults: dict[str, RequestError] = {}
        pinned = "@" in self._models.resolve(request.model)
        for entry in entries:
            try:
                offers[entry.id] = self.offer(
                    entry, request.mode, request.objectives, pinned=pinned
                )
            except RequestError as error:
                faults[entry.id] = error
        if not offers:
            raise next(iter(faults.values()))
        return offers, {id: str(fault) for id, fault in faults.items()}

    def _fits(self, entry: ModelRecord, partner: ModelRecord) -> bool:
        """Return whether `partner` reads as much as `entry`, and can be in memory beside it."""
        if context_of(partner, self._engine) < context_of(entry, self._engine):
            return False
        if self._pool.get(resident_name(partner)) is not None:
            return True
        may_load = self._governor_loop.limits.heavy or not self._pool.residents()
        return may_load and self._room.lack(partner, entry) is None

    # --- the plan

    async def _plan(self, choice: _Choice, request: RouteRequest, prompts: Prompts) -> Plan:
        entry, prompt = choice.entry, await prompts.of(choice.entry)
        option = await self._readable(choice.option, prompt, request, prompts)
        alone = Plan(
            entry.id,
            prompt=prompt,
            threads=choice.threads,
            load=choice.load,
            asked=choice.asked,
            why=choice.why,
            less=choice.less,
            trace=choice.trace,
        )
        if option.mode.name == SINGLE:
            return alone
        plan = replace(alone, mode=option.mode, less=option.less or choice.less)
        if option.partner is None or request.mode.asks:
            return plan
        why = f"{entry.id} answers by itself: {option.partner.id} cannot help"
        return replace(plan, alone=replace(alone, less=why))

    async def _readable(
        self,
        option: DecodingOption,
        prompt: str | list[int],
        request: RouteRequest,
        prompts: Prompts,
    ) -> DecodingOption:
        """Return the option with the partner's own prompt where it differs.

        A partner that nobody asked for is left out if it cannot read the request: if its template
        refuses, or the request names tokens, which have other ids for it.
        """
        if option.partner is None:
            return option
        if request.own_tokens and not request.mode.asks:
            return ALONE
        try:
            its = await prompts.of(option.partner)
        except (RequestError, ModelFileError):
            if request.mode.asks:
                raise
            return ALONE
        return option._replace(mode=replace(option.mode, prompt=None if its == prompt else its))
