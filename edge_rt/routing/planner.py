"""What a request would take, before it is run, and how right that was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec

from edge_rt.config.schema import Engine
from edge_rt.core.chat_format import ChatPrompt
from edge_rt.core.clock import Pause
from edge_rt.core.decoding import Mode, Sampling
from edge_rt.core.errors import EdgeError, ModelFileError, RequestError, Unavailable
from edge_rt.core.occupancy import Occupancy
from edge_rt.core.reports.planning import PlanAsk, PlanCandidate, PlanReport, Tried
from edge_rt.core.routing import DecodingRequest, Objectives, RequestTokens, Unpredicted
from edge_rt.energy.calibration.measurement import PATIENCE_S, MeasurementJob, Measurer
from edge_rt.energy.calibration.readiness import Readiness, Unready
from edge_rt.energy.prediction.online_updates import Learn
from edge_rt.governor.admission import refusal
from edge_rt.governor.loop import GovernorLoop
from edge_rt.models.directory import DEFAULT, ModelDirectory
from edge_rt.models.loading import context_of, resident_name
from edge_rt.models.pair import SINGLE
from edge_rt.models.record import ModelRecord, writers
from edge_rt.routing.candidates import Candidates, failed, judged, nothing, tried
from edge_rt.routing.decoding_options import ALONE, DecodingOption, every
from edge_rt.routing.lengths import Sizing, Written, raise_if_none, written
from edge_rt.routing.loading import ModelManager, Room
from edge_rt.routing.prompts import Prompting, Prompts
from edge_rt.routing.router import RequestRouter, with_cap

REST_S = 1.0  # between two answers, in which the board's idle power is seen
GUESS_S = 30.0  # for an answer of which nothing is known


@dataclass(frozen=True)
class ReadPrompt:
    """A prompt as one model reads it, with its tokens."""

    entry: ModelRecord
    text: str
    context: int
    prompt_tokens: int
    cached_tokens: int


class _Planned(NamedTuple):
    """A candidate, its prompt, None where it cannot be run, and its mode."""

    candidate: PlanCandidate
    asked: ReadPrompt | None
    option: DecodingOption


class Planner:
    """Predicts each candidate, and runs them to see."""

    def __init__(
        self,
        models: ModelDirectory,
        router: RequestRouter,
        candidates: Candidates,
        prompting: Prompting,
        sizing: Sizing,
        learn: Learn,
        *,
        governor_loop: GovernorLoop,
        manager: ModelManager,
        measurer: Measurer,
        occupancy: Occupancy,
        readiness: Readiness,
        room: Room,
        engine: Engine,
        cores: int,
        pause: Pause = asyncio.sleep,
    ) -> None:
        """Plan for this board.

        `learn` takes what answers took, `cores` is the most threads, and `pause` lets seconds pass
        between two answers.
        """
        self._models, self._router, self._candidates = models, router, candidates
        self._prompting, self._sizing, self._learn = prompting, sizing, learn
        self._governor_loop, self._manager, self._room = governor_loop, manager, room
        self._measurer, self._occupancy, self._readiness = measurer, occupancy, readiness
        self._engine, self._cores, self._pause = engine, cores, pause

    async def plan(self, ask: PlanAsk) -> PlanReport:
        """Return what each candidate would take.

        Raises RequestError, ModelNotFound or Unavailable.
        """
        return PlanReport([planned.candidate for planned in await self._options(ask)])

    async def tries(self, ask: PlanAsk) -> AsyncGenerator[PlanReport | Tried]:
        """Yield the plan, and then what came of each candidate that can be run.

        Each reads all of the prompt. Raises Unavailable where there is other work, or the governor
        lets no request in.
        """
        self._occupancy.check()
        limits = self._governor_loop.limits
        if limits.admission != "open":
            raise refusal(limits)
        ask = msgspec.structs.replace(ask, fresh=True)
        options = await self._options(ask)
        yield PlanReport([planned.candidate for planned in options])
        able = [(o.asked, o) for o in options if o.asked and o.candidate.seconds is not None]
        seconds = sum((planned.candidate.seconds or GUESS_S) + REST_S for _, planned in able)
        with self._occupancy.lend("a comparison of plans", seconds):
            hindrance: str | None = None
            for asked, planned in able:
                hindrance = hindrance or await self._hindrance()
                if hindrance is None:
                    yield await self._try(ask, asked, planned)
                else:
                    yield failed(planned.candidate, hindrance)

    # --- before

    async def _options(self, ask: PlanAsk) -> list[_Planned]:
        """Return each candidate with its prompt."""
        named = [self._models.candidates(model) for model in ask.models]
        entries = [entry for some in named for entry in some] or writers(self._models.entries())
        counts = self._threads(ask)
        found: list[PlanCandidate] = []
        prompts: dict[str, ReadPrompt] = {}
        options: dict[tuple[str, str], DecodingOption] = {}
        entries = list({entry.id: entry for entry in entries}.values())
        for entry, asked in await self._read(ask, entries):
            if isinstance(asked, Unpredicted):
                tokens = None, 0, ask.max_tokens
                found += [nothing(entry, t, tokens, asked.reason) for t in counts]
                continue
            lack = _too_long(asked) or self._room.lack(entry)
            if lack is None:
                prompts[entry.id] = asked
            usual = self._router.offer(entry, DecodingRequest())
            for option in [*every(entry, self._models), usual]:
                if (entry.id, option.mode.label) in options:
                    continue
                options[entry.id, option.mode.label] = option
                without = lack or self._lack(entry, option)
                found += [self._candidate(ask, asked, t, without, option) for t in counts]
        wanted, why, mode = self._choice(ask, named, prompts)
        ranked = judged(found, wanted, why, mode)
        return [
            _Planned(c, prompts.get(c.model), options.get((c.model, c.mode), ALONE)) for c in ranked
        ]

    async def _read(
        self, ask: PlanAsk, entries: Sequence[ModelRecord]
    ) -> list[tuple[ModelRecord, ReadPrompt | Unpredicted]]:
        """Return each model with what it reads, or why it cannot; RequestError if none can."""
        prompt = ChatPrompt(ask.messages) if ask.prompt is None else ask.prompt
        prompts = Prompts(self._prompting, prompt, None, self._engine)
        texts = [await written(prompts.of(entry)) for entry in entries]
        raise_if_none(texts)
        both = zip(entries, texts, strict=True)
        return [(entry, await self._counted(ask, entry, text)) for entry, text in both]

    async def _counted(
        self, ask: PlanAsk, entry: ModelRecord, text: Written
    ) -> ReadPrompt | Unpredicted:
        try:
            if not isinstance(text, str):
                return Unpredicted(str(text))
            special = ask.prompt is None
            tokens, cached = await self._sizing.count(entry, text, special=special)
        except (RequestError, ModelFileError) as error:
            return Unpredicted(str(error))
        context = context_of(entry, self._engine)
        return ReadPrompt(entry, text, context, tokens, 0 if ask.fresh else cached)

    def _lack(self, entry: ModelRecord, option: DecodingOption) -> str | None:
        """Return why the partner cannot be had in memory beside `entry`."""
        partner = option.partner
        lack = None if partner is None else self._room.lack(partner, entry)
        return lack and f"{option.mode.partner} {lack}"

    def _choice(
        self,
        ask: PlanAsk,
        named: list[list[ModelRecord]],
        prompts: Mapping[str, ReadPrompt],
    ) -> tuple[tuple[str, int], str, str]:
        """Return what a request for the first of those named would get now.

        That is model and threads, why, and mode.
        """
        limits, free = self._governor_loop.limits, Objectives()
        why = f"what the governor allows now: {limits.why}"
        name = ask.models[0] if named else DEFAULT
        entries = named[0] if named else [self._models.writer(DEFAULT)]
        with suppress(Unavailable):  # a plan shows what there is all the same
            if (stand_in := self._router.stand_in(name, DecodingRequest(), free)) is not None:
                return (stand_in.entry.id, limits.threads), why, SINGLE
        if len(named) != 1:
            return (entries[0].id, limits.threads), why, SINGLE
        offers = {entry.id: self._router.offer(entry, DecodingRequest()) for entry in entries}
        if len(entries) == 1 and not self._router.threads_open(entries[0], name, free):
            option = offers[entries[0].id]
            return (entries[0].id, limits.threads), with_cap(why, option), option.mode.label
        tokens = {
            entry.id: self._tokens(ask, prompts[entry.id])
            if entry.id in prompts
            else Unpredicted("it cannot be had now")
            for entry in entries
        }
        wanted = name, entries, tokens, free, offers
        trace = self._router.judge(*wanted, constrained=ask.constrained)
        if (chosen := trace.chosen) is None:
            return ("", limits.threads), why, SINGLE
        setting = chosen.setting
        why = with_cap(trace.why, offers[setting.variant])
        return (setting.variant, setting.threads), why, setting.mode

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

    async def _try(self, ask: PlanAsk, asked: ReadPrompt, planned: _Planned) -> Tried:
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
            job = replace(job, mode=await self._mode(ask, asked, option))
            with self._governor_loop.fixed(before.threads):
                async with self._manager.resident(entry, option.partner) as resident:
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

    async def _mode(self, ask: PlanAsk, asked: ReadPrompt, option: DecodingOption) -> Mode | None:
        """Return the mode for the engine, with the partner's prompt; None: the model alone."""
        partner = option.partner
        if partner is None:
            return None if option.mode.name == SINGLE else option.mode
        text = ask.prompt
        if text is None:
            context, prompt = context_of(partner, self._engine), ChatPrompt(ask.messages)
            text = await self._prompting.write(partner, context, prompt)
        its = None if text == asked.text else text
        return msgspec.structs.replace(option.mode, partner=resident_name(partner), prompt=its)

    def _predicted(
        self, asked: ReadPrompt, planned: _Planned, completion: int | None = None
    ) -> PlanCandidate:
        """Return what is predicted now for an answer of so many tokens; None: of those planned."""
        candidate = planned.candidate
        completion = completion or candidate.completion_tokens
        tokens = RequestTokens(asked.prompt_tokens, 0, completion)
        return self._candidates.make(
            asked.entry, candidate.threads, tokens, self._governor_loop.limits, planned.option
        )


def told(plan: PlanCandidate, now: PlanCandidate) -> PlanCandidate:
    """Return the `plan` as clients have seen it, with the heat of `now`.

    The runs before have warmed the board.
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


def _sampling(entry: ModelRecord, ask: PlanAsk) -> Sampling:
    """Return the model's own sampling defaults, changed by the fields of the request."""
    usual = Sampling(**entry.sampling.given())
    return msgspec.structs.replace(
        usual,
        temperature=usual.temperature if ask.temperature is None else ask.temperature,
        seed=usual.seed if ask.seed is None else ask.seed,
    )
