"""What a request would take, before it is run, and how right that was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import NamedTuple

import msgspec

from edge_rt.core.clock import Pause
from edge_rt.core.decoding import Mode, Sampling
from edge_rt.core.errors import EdgeError, RequestError
from edge_rt.core.occupancy import Occupancy
from edge_rt.core.reports.planning import PlanAsk, PlanCandidate, PlanReport, Tried
from edge_rt.core.requests import Plan
from edge_rt.core.routing import DecodingRequest, Objectives, RequestTokens, Unpredicted
from edge_rt.energy.calibration.measurement import PATIENCE_S, MeasurementJob, Measurer
from edge_rt.energy.calibration.readiness import Readiness, Unready
from edge_rt.energy.prediction.online_updates import Learn
from edge_rt.governor.admission import refusal
from edge_rt.governor.loop import GovernorLoop
from edge_rt.models.loading import resident_name
from edge_rt.models.pair import SINGLE
from edge_rt.models.record import ModelRecord, writers
from edge_rt.routing.candidates import Candidates, failed, judged, nothing, tried
from edge_rt.routing.decoding_options import DecodingOption, DecodingOptions, every
from edge_rt.routing.host import ModelHost
from edge_rt.routing.lengths import Connect, ReadPrompt, read_prompts
from edge_rt.routing.loading import Room
from edge_rt.routing.routes import Routes

REST_S = 1.0  # between two answers, in which the board's idle power is seen
GUESS_S = 30.0  # for an answer of which nothing is known


class _Planned(NamedTuple):
    """A candidate, its prompt, None where it cannot be run, and its mode."""

    candidate: PlanCandidate
    asked: ReadPrompt | None
    option: DecodingOption


class Planner:
    """Predicts each candidate, and runs them to see."""

    def __init__(
        self,
        candidates: Candidates,
        learn: Learn,
        routes: Routes,
        *,
        governor_loop: GovernorLoop,
        measurer: Measurer,
        occupancy: Occupancy,
        readiness: Readiness,
        room: Room,
        connect: Connect,
        cores: int,
        pause: Pause = asyncio.sleep,
    ) -> None:
        """`connect` gives the live engine, `learn` takes what answers took, `cores` is the most
        threads, `pause` lets seconds pass between two answers.
        """
        self._candidates, self._learn = candidates, learn
        self._routes, self._governor_loop = routes, governor_loop
        self._measurer, self._occupancy, self._room = measurer, occupancy, room
        self._readiness = readiness
        self._connect, self._cores, self._pause = connect, cores, pause

    async def plan(self, ask: PlanAsk, host: ModelHost) -> PlanReport:
        """What each candidate would take; raises RequestError, ModelNotFound or Unavailable."""
        return PlanReport([planned.candidate for planned in await self._options(ask, host)])

    async def tries(self, ask: PlanAsk, host: ModelHost) -> AsyncGenerator[PlanReport | Tried]:
        """Yield the plan, and then what came of each candidate that can be run.

        Each reads all of the prompt. Raises Unavailable where there is other work, or the governor
        lets no request in.
        """
        self._occupancy.check()
        limits = self._governor_loop.limits
        if limits.admission != "open":
            raise refusal(limits)
        ask = msgspec.structs.replace(ask, fresh=True)
        options = await self._options(ask, host)
        yield PlanReport([planned.candidate for planned in options])
        able = [(o.asked, o) for o in options if o.asked and o.candidate.seconds is not None]
        seconds = sum((planned.candidate.seconds or GUESS_S) + REST_S for _, planned in able)
        with self._occupancy.lend("a comparison of plans", seconds):
            hindrance: str | None = None
            for asked, planned in able:
                hindrance = hindrance or await self._hindrance()
                if hindrance is None:
                    yield await self._try(ask, host, asked, planned)
                else:
                    yield failed(planned.candidate, hindrance)

    # --- before

    async def _options(self, ask: PlanAsk, host: ModelHost) -> list[_Planned]:
        """Each candidate with its prompt."""
        named = [self._routes.named(model, host) for model in ask.models]
        entries = [entry for some in named for entry in some] or writers(host.entries())
        limits, counts = self._governor_loop.limits, self._threads(ask)
        found: list[PlanCandidate] = []
        prompts: dict[str, ReadPrompt] = {}
        offers: dict[str, DecodingOptions] = {}
        entries = list({entry.id: entry for entry in entries}.values())
        for entry, asked in await read_prompts(ask, host, entries, self._connect):
            if isinstance(asked, Unpredicted):
                tokens = None, 0, ask.max_tokens
                found += [nothing(entry, t, tokens, asked.reason) for t in counts]
                continue
            lack = _too_long(asked) or self._room.lack(entry)
            if lack is None:
                prompts[entry.id] = asked
            offers[entry.id] = every(entry, host, limits)
            for option in offers[entry.id].modes:
                without = lack or self._lack(entry, option)
                found += [self._candidate(ask, asked, t, without, option) for t in counts]
        usual = self._usual(named[0][0].id if named else "default", host)
        wanted, why, mode = self._choice(ask, host, named, usual, prompts)
        ranked = judged(found, wanted, why, mode)
        return [
            _Planned(c, prompts.get(c.model), offers.get(c.model, DecodingOptions()).of(c.mode))
            for c in ranked
        ]

    def _lack(self, entry: ModelRecord, option: DecodingOption) -> str | None:
        """Why the partner cannot be had in memory beside `entry`."""
        partner = option.partner
        lack = None if partner is None else self._room.lack(partner, entry)
        return lack and f"{option.mode.partner} {lack}"

    def _usual(self, name: str, host: ModelHost) -> Plan:
        """Return the plan for `name` now; a stand-in that is not good enough is left out."""
        plan = host.plan_for(name)
        if plan.asked is None:
            return plan
        other, asked = host.entry(plan.model), host.entry(plan.asked)
        short = self._routes.floor.shortfall(other, asked, Objectives())
        return plan if short is None else Plan(plan.asked)

    def _choice(
        self,
        ask: PlanAsk,
        host: ModelHost,
        named: list[list[ModelRecord]],
        usual: Plan,
        prompts: Mapping[str, ReadPrompt],
    ) -> tuple[tuple[str, int], str, str]:
        """Return what a request for the first of those named would get now: model and threads, why,
        and mode.
        """
        limits = self._governor_loop.limits
        why = f"what the governor allows now: {limits.why}"
        if len(named) != 1:
            return (usual.model, limits.threads), why, SINGLE
        offers = {e.id: self._routes.offer(e, DecodingRequest(), host) for e in named[0]}
        first = named[0][0].id
        left_open = self._routes.threads_open(named[0][0], ask.models[0], Objectives())
        if len(named[0]) == 1 and len(offers[first].modes) == 1 and not left_open:
            mode = SINGLE if usual.asked is not None else offers[first].modes[0].mode.label
            return (usual.model, limits.threads), why, mode
        tokens = {
            entry.id: self._tokens(ask, prompts[entry.id])
            if entry.id in prompts
            else Unpredicted("it cannot be had now")
            for entry in named[0]
        }
        wanted = ask.models[0], named[0], tokens, Objectives(), offers
        trace = self._routes.judge(*wanted, constrained=ask.constrained)
        if (chosen := trace.chosen) is None:
            return ("", limits.threads), why, SINGLE
        setting = chosen.setting
        return (setting.variant, setting.threads), trace.why, setting.mode

    def _tokens(self, ask: PlanAsk, asked: ReadPrompt) -> RequestTokens:
        completion = min(ask.max_tokens, max(1, asked.context - asked.prompt_tokens))
        return RequestTokens(asked.prompt_tokens, asked.cached_tokens, completion)

    def _threads(self, ask: PlanAsk) -> list[int]:
        beyond = [t for t in ask.threads if not 1 <= t <= self._cores]
        if beyond:
            raise RequestError(
                f"{beyond[0]} threads: from 1 to {self._cores} may be used here", param="threads"
            )
        return ask.threads or list(range(1, self._cores + 1))

    def _candidate(
        self,
        ask: PlanAsk,
        asked: ReadPrompt,
        threads: int,
        lack: str | None,
        option: DecodingOption,
    ) -> PlanCandidate:
        tokens = self._tokens(ask, asked)
        if lack is not None:
            return nothing(asked.entry, threads, tokens, lack, option)
        limits = self._governor_loop.limits
        return self._candidates.make(
            asked.entry, threads, tokens, limits, option, constrained=ask.constrained
        )

    # --- after

    async def _hindrance(self) -> str | None:
        """Why nothing can be run, after a while of waiting; None: it can."""
        try:
            await self._readiness.wait_to_run(PATIENCE_S)
        except Unready as error:
            return str(error)
        return None

    async def _try(
        self, ask: PlanAsk, host: ModelHost, asked: ReadPrompt, planned: _Planned
    ) -> Tried:
        entry, before, option = asked.entry, planned.candidate, planned.option
        job = MeasurementJob(
            entry,
            asked.text,
            before.completion_tokens,
            _sampling(entry, ask),
            special=ask.prompt is None,
            ignore_eos=ask.ignore_eos,
            partner=option.partner,
        )
        try:
            job = replace(job, mode=await _mode(ask, host, asked, option))
            with self._governor_loop.fixed(before.threads):
                async with host.resident(entry, option.partner) as resident:
                    await self._pause(REST_S)
                    before = self._predicted(asked, planned)
                    came = await self._measurer.measure(job, resident, entry.id)
        except EdgeError as error:
            return failed(before, str(error))
        self._learn(entry, before.threads, came.served, option.mode)
        if came.served.completion_tokens == before.completion_tokens:
            predicted = told(planned.candidate, before)
        else:
            part = self._predicted(asked, planned, came.served.completion_tokens)
            predicted = part_of(planned.candidate, part, self._predicted(asked, planned))
        return tried(came, predicted)

    def _predicted(
        self, asked: ReadPrompt, planned: _Planned, completion: int | None = None
    ) -> PlanCandidate:
        """What is predicted now for an answer of so many tokens; None: of those planned."""
        candidate = planned.candidate
        completion = completion or candidate.completion_tokens
        tokens = RequestTokens(asked.prompt_tokens, 0, completion)
        return self._candidates.make(
            asked.entry, candidate.threads, tokens, self._governor_loop.limits, planned.option
        )


def told(plan: PlanCandidate, now: PlanCandidate) -> PlanCandidate:
    """Return the `plan` as clients have seen it, but for the heat: the runs before have warmed the
    board.
    """
    return msgspec.structs.replace(plan, end_temp_c=now.end_temp_c, band_c=now.band_c)


def part_of(plan: PlanCandidate, part: PlanCandidate, whole: PlanCandidate) -> PlanCandidate:
    """Return what the `plan` says of an answer that ends early.

    `part` is predicted now for such an answer and `whole` for the one planned; only their ratio
    counts.
    """

    def cut(planned: float | None, short: float | None, long: float | None) -> float | None:
        return None if planned is None or short is None or not long else planned * short / long

    figures = ("seconds", "prefill_s", "decode_s", "energy_j", "total_j", "power_w")
    cuts = {f: cut(getattr(plan, f), getattr(part, f), getattr(whole, f)) for f in figures}
    tokens = part.completion_tokens
    return msgspec.structs.replace(
        plan, completion_tokens=tokens, end_temp_c=None, band_c=None, **cuts
    )


def _too_long(asked: ReadPrompt) -> str | None:
    if asked.prompt_tokens < asked.context:
        return None
    return f"the prompt has {asked.prompt_tokens} tokens, and {asked.context} fit at most"


async def _mode(
    ask: PlanAsk, host: ModelHost, asked: ReadPrompt, option: DecodingOption
) -> Mode | None:
    """Return the mode for the engine, with the partner's prompt; None: the model alone."""
    if option.mode.name == SINGLE:
        return None
    partner = option.partner
    if partner is None:
        return option.mode
    text = ask.prompt
    if text is None:
        text = await host.render(partner.id, ask.messages)
    its = None if text == asked.text else text
    return msgspec.structs.replace(option.mode, partner=resident_name(partner), prompt=its)


def _sampling(entry: ModelRecord, ask: PlanAsk) -> Sampling:
    """Return the model's own sampling defaults, changed by the fields of the request."""
    usual = Sampling(**entry.sampling.given())
    return msgspec.structs.replace(
        usual,
        temperature=usual.temperature if ask.temperature is None else ask.temperature,
        seed=usual.seed if ask.seed is None else ask.seed,
    )
