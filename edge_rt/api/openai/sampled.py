"""A request whose answer is one of several samples."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from msgspec.structs import replace
from typing_extensions import override

from edge_rt.api.asked import MakeReader
from edge_rt.api.middleware.context import Context, Exchange
from edge_rt.api.openai.answers import Dialect
from edge_rt.api.run import Run, Take
from edge_rt.api.work import Work
from edge_rt.core.errors import EdgeError, EngineError, RequestError, Unavailable, invalid
from edge_rt.core.events import Delta, Finished, Started
from edge_rt.core.requests import Call, Cost
from edge_rt.generation.samples.judge import VOTED, Answered, Judge, Judgement
from edge_rt.generation.samples.rule import Ballot, Rule, Sample
from edge_rt.generation.samples.terms import Sampled, SamplesReport, SamplesTerms
from edge_rt.generation.usage import Edge
from edge_rt.models.answers.parts import Content, MadeCall, Part


@dataclass(frozen=True)
class SamplePlan:
    """How samples are made, read and told: what the endpoint knows of the request.

    `larger` prepares the request for the larger model; None: there is none. `form` makes the
    dialect of a work's answers, and `reader` what reads one.
    """

    terms: SamplesTerms
    judge: Judge
    form: Callable[[Work], Dialect]
    reader: Callable[[Work], MakeReader | None]
    larger: Callable[[], Awaitable[Work]] | None = None


@dataclass
class _Candidate:
    """One sample while it is made; its events have the index 0."""

    work: Work
    events: list[Delta | Finished] = field(default_factory=list[Delta | Finished])

    @property
    def logprob(self) -> float:
        """The mean log-probability of its tokens, or under `edge.check` that of its weight."""
        checks = [e.check.log_weight for e in self.events if isinstance(e, Finished) and e.check]
        if checks and checks[0] is not None:
            return checks[0]
        found = [one.logprob for e in self.events if isinstance(e, Delta) for one in e.logprobs]
        return sum(found) / len(found) if found else float("-inf")

    @property
    def tokens(self) -> int:
        return sum(len(event.tokens) for event in self.events if isinstance(event, Delta))

    def read(self, make: MakeReader | None) -> Answered:
        text = "".join(event.text for event in self.events if isinstance(event, Delta))
        parts: list[Part] = [Content(text)]
        if make is not None:
            reader = make()
            parts = [*reader.push(text), *reader.finish()]
        said = "".join(part.text for part in parts if isinstance(part, Content))
        calls = [part for part in parts if isinstance(part, MadeCall)]
        ended = any(isinstance(e, Finished) and e.reason == "stop" for e in self.events)
        return Answered(said, calls, ended, self.work.calls[0].prompt)


@dataclass
class _Drawing:
    """The samples of one model for one call, and why no more are made, once that is so."""

    work: Work
    call: Call
    ballot: Ballot
    made: list[_Candidate] = field(default_factory=list[_Candidate])
    costs: list[Cost] = field(default_factory=list[Cost])
    stopped: str | None = None

    @property
    def sample_j(self) -> float | None:
        """Joules of a sample, the mean of those made; None where they are not known."""
        joules = [cost.energy_j for cost in self.costs if cost.energy_j is not None]
        known = bool(joules) and len(joules) == len(self.costs)
        return sum(joules) / len(self.made) if known else None

    @property
    def sample_s(self) -> float:
        """Seconds of a round."""
        return max((cost.seconds for cost in self.costs), default=0.0)


class SampledRun(Run):
    """Makes samples in rounds, judges them, and tells the best; nothing is told before."""

    def __init__(
        self, context: Context, work: Work, dialect: Dialect, exchange: Exchange, how: SamplePlan
    ) -> None:
        super().__init__(context, work, dialect, exchange)
        self._how, self._terms = how, how.terms
        self._told: list[Sampled] = []
        self._report = SamplesReport(0, 0, [], False, "", self._told)
        self._before = 0  # costs that other calls had

    @override
    async def _calls(self, take: Take) -> None:
        terms = self._terms
        if len(self._work.calls) > 1 and (terms.accept or terms.vote or terms.larger):
            raise invalid("prompt", "expected one with `edge.samples`, got several")
        if any(call.thinking is not None for call in self._work.calls):
            message = "`edge.samples` cannot go with limits of thoughts: leave out one of them."
            raise RequestError(message, param="edge.samples", code="invalid_value")
        await self._how.judge.ready()
        for index, call in enumerate(self._work.calls):
            self._before = len(self._tally.costs.taken)
            await self._tell_best(take, index, call)

    @override
    def _last_edge(self) -> Edge | None:
        return None if self._work.include_usage else self._edge()

    @override
    def _edge(self) -> Edge:
        return replace(super()._edge(), samples=self._report)

    async def _tell_best(self, take: Take, index: int, call: Call) -> None:
        terms, verified = self._terms, self._terms.accept is not None
        votes = terms.vote is not None
        rule = Rule(terms.most, votes, verified, terms.stop, terms.agree, terms.worth_j)
        drawing = own = await self._draw(self._work, call, rule)
        wanted = not own.ballot.accepted and own.stopped != "limit"
        if self._how.larger is not None and terms.larger is not None and wanted:
            larger = Rule(terms.larger.most, verified=verified, stop=terms.stop)
            drawing = await self._escalate(own, larger, self._how.larger)
        first, best = len(self._told) - len(drawing.made), drawing.ballot.best[: call.n]
        if not best:
            raise EngineError("The engine stopped before the answer was complete; try again.")
        self._report = SamplesReport(
            made=len(self._told),
            saved=self._report.saved + own.ballot.left,
            chosen=[*self._report.chosen, *(first + place for place in best)],
            accepted=drawing.ballot.accepted,
            stopped=drawing.stopped or "most",
            samples=self._told,
        )
        await self._tell_chosen(take, index, [drawing.made[place] for place in best])

    async def _escalate(
        self, own: _Drawing, rule: Rule, prepare: Callable[[], Awaitable[Work]]
    ) -> _Drawing:
        """Return what the larger model made, or what there was where it does not answer."""
        try:
            work = await prepare()
            return await self._draw(work, work.calls[0], rule)
        except EdgeError as error:
            self._exchange.warnings.append(f"the larger model did not answer: {error}")
            return own

    async def _draw(self, work: Work, call: Call, rule: Rule) -> _Drawing:
        drawing = _Drawing(work, call, Ballot(rule))
        while drawing.stopped is None:
            try:
                await self._round(drawing)
            except (RequestError, Unavailable) as error:
                if not drawing.made:
                    raise
                self._exchange.warnings.append(f"no more samples were made: {error}")
                drawing.stopped = "limit"
                break
            drawing.stopped = self._over(drawing)
        return drawing

    def _over(self, drawing: _Drawing) -> str | None:
        """Return why no more samples are made; None: more are."""
        sample_j, call = drawing.sample_j, drawing.call
        over = drawing.ballot.over(sample_j)
        if over is not None:
            return over
        left_j, now = self._left_j(call), self._context.monotonic()
        cut = any(cost.why is not None for cost in drawing.costs)
        dear = left_j is not None and left_j < (sample_j or 0.0)
        late = call.deadline_s is not None and now + drawing.sample_s > call.deadline_s
        return "limit" if cut or dear or late else None

    def _left_j(self, call: Call) -> float | None:
        if call.energy_j is None:
            return None
        taken = self._tally.costs.taken[self._before :]
        return max(0.0, call.energy_j - sum(cost.energy_j or 0.0 for cost in taken))

    async def _round(self, drawing: _Drawing) -> None:
        """Have one round made and judged."""
        call = self._round_call(drawing)
        made = [_Candidate(drawing.work) for _ in range(call.n)]
        first, costs = not drawing.made and drawing.work is self._work, len(drawing.costs)
        async with aclosing(self._context.service.generation.generate(call)) as events:
            async for event in events:
                if not isinstance(event, Started) or first:  # the prompt counts once
                    self._book(0, event)
                if isinstance(event, Cost):
                    drawing.costs.append(event)
                elif not isinstance(event, Started):
                    made[event.index].events.append(replace(event, index=0))
        read = self._how.reader(drawing.work)
        judged = await self._judged(call, [one.read(read) for one in made])
        joules = [cost.energy_j for cost in drawing.costs[costs:]]
        known = bool(joules) and None not in joules
        share_j = sum(j or 0.0 for j in joules) / call.n if known else None
        for candidate, said in zip(made, judged, strict=True):
            drawing.made.append(candidate)
            drawing.ballot.samples.append(Sample(said.passed, said.vote, candidate.logprob))
            model, tokens = drawing.work.card.id, candidate.tokens
            vote = said.vote and said.vote[:VOTED]
            self._told.append(Sampled(model, tokens, share_j, said.passed, vote, said.why))

    async def _judged(self, call: Call, answers: Sequence[Answered]) -> Sequence[Judgement]:
        """Return a judgement of each answer, within the request's time."""
        left_s = None if call.deadline_s is None else call.deadline_s - self._context.monotonic()
        try:
            return await asyncio.wait_for(self._how.judge.judge(answers), left_s)
        except asyncio.TimeoutError:
            return [Judgement(why="the time was over")] * len(answers)

    def _round_call(self, drawing: _Drawing) -> Call:
        """Return the call of the next round.

        At temperature 0 the first sample is the likeliest answer, and alone; others are drawn.
        """
        call, made, count = drawing.call, len(drawing.made), drawing.ballot.next_round
        how = call.sampling
        if how.temperature == 0:
            count = count if made else call.n
            how = replace(how, temperature=self._terms.temperature) if made else how
        seed = None if how.seed is None else (how.seed + made) % 2**64
        how = replace(how, seed=seed, top_logprobs=how.top_logprobs or 0)
        return replace(call, n=count, sampling=how, energy_j=self._left_j(call))

    async def _tell_chosen(self, take: Take, index: int, chosen: Sequence[_Candidate]) -> None:
        work = chosen[0].work
        if work is not self._work:
            self._work, self._dialect = work, self._how.form(work)
        self._begun = True
        await take(index, Started(0, self._tally.prompt_tokens, self._tally.cached_tokens))
        for place, candidate in enumerate(chosen):
            for event in candidate.events:
                await take(index, replace(event, index=place))
