"""One request being generated: its events booked and turned into documents."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import msgspec
from msgspec import UNSET
from starlette.types import Send

from edge_rt.api.allowance import Allowance, grant
from edge_rt.api.generation.caching import Found, Record
from edge_rt.api.generation.dialect import Answer, Dialect
from edge_rt.api.generation.merge import run_calls
from edge_rt.api.generation.partner import unasked
from edge_rt.api.generation.usage import Edge, Origin, Tally
from edge_rt.api.middleware.context import Context, Exchange
from edge_rt.api.middleware.failure import drop_tracebacks, explain
from edge_rt.api.middleware.headers import edge_headers
from edge_rt.api.middleware.respond import EventStream, send_json
from edge_rt.core.errors import EdgeError, EngineError, RequestError, Unavailable
from edge_rt.core.requests import Call, Cost, Event, ModelCard, Serving
from edge_rt.core.routing import DecodingRequest
from edge_rt.decoding.params import Mode
from edge_rt.engine.protocol import Delta, Finished, Started

Shown = Started | Delta | Finished  # the events that clients see something of, as they come


@dataclass(frozen=True)
class Work:
    """A request that was checked and can be run; all of its calls want as many answers each."""

    serving: Serving
    calls: list[Call]
    dialect: Dialect
    stream: bool
    include_usage: bool
    allowance: Allowance | None = None
    wanted: DecodingRequest = DecodingRequest()  # noqa: RUF009 - a tuple
    found: Found | None = None  # what was answered before
    before: Sequence[Cost] = ()  # what it took to look for an answer, and to choose a model

    @property
    def helped(self) -> bool:
        """Whether a partner helps that nobody asked for."""
        return unasked(self.serving.mode, self.wanted)

    def alone(self, fault: EdgeError) -> Work:
        """This, without the partner, who cannot help because of `fault`."""
        why = f"{self.card.id} answers by itself: {fault}"
        serving = msgspec.structs.replace(self.serving, mode=None, why=why)
        calls = [msgspec.structs.replace(call, mode=None) for call in self.calls]
        return replace(self, serving=serving, calls=calls)

    def kept_for(self, client: str | None) -> Work:
        """This, with beginnings of its prompts kept for `client`; None: for nobody."""
        calls = [msgspec.structs.replace(call, client=client) for call in self.calls]
        return replace(self, calls=calls)

    def of(self, found: Found) -> Work:
        """This, as it was answered before."""
        return replace(self, found=found)

    @property
    def card(self) -> ModelCard:
        """The model that answers."""
        return self.serving.card

    @property
    def id(self) -> str:
        """That of its answer."""
        return self.calls[0].id

    @property
    def origin(self) -> Origin:
        """What is known of the answers before there are any."""
        serving = self.serving
        card, mode = serving.card, serving.mode or Mode()
        return Origin(
            model=card.id,
            backend=card.backend,
            asked=serving.asked,
            why=serving.why,
            route=serving.route,
            mode=mode.label,
            partner=mode.partner,
            threads=serving.threads or UNSET,
            **({} if self.found is None else self.found.told()),
        )

    def granted(self, arrived_s: float, before: Sequence[Cost]) -> Work:
        """This, for a request that came at `arrived_s`, with what it may take after `before`."""
        spent_j = sum(cost.energy_j or 0.0 for cost in before)
        calls = grant(self.calls, self.allowance, arrived_s, spent_j)
        return replace(self, calls=calls, before=before)

    @property
    def per_call(self) -> int:
        """How many answers each call gives."""
        return self.calls[0].n

    @property
    def choices(self) -> int:
        """How many answers there will be."""
        return len(self.calls) * self.per_call


class Run:
    """Runs one `Work`; either `plain` or `stream` is to be awaited, once.

    Both have closed the service's iterators before they send the end of the response.
    """

    def __init__(
        self, context: Context, work: Work, exchange: Exchange, record: Record | None = None
    ) -> None:
        """`record` notes the answer."""
        self._context = context
        self._work = work
        self._exchange = exchange
        self._tally = Tally(len(work.calls))
        self._record = record
        self._seen_token = False

    async def plain(self, send: Send) -> None:
        """Answer with one document."""
        answers = [Answer() for _ in range(self._work.choices)]
        async with aclosing(self._events()) as events:
            async for call, event in events:
                if not isinstance(event, Started):
                    _collect(answers[self._choice(call, event.index)], event)
        usage, edge = self._tally.usage(), self._edge()
        document = self._work.dialect.whole(answers, usage, edge)
        await send_json(send, document, headers=edge_headers(edge))

    async def stream(self, send: Send) -> None:
        """Answer with events as they come; nothing is sent before the first of the service."""
        out = EventStream(send)
        try:
            await self._stream(out)
        except Exception as error:
            if not out.started:
                raise
            failure = explain(error)
            drop_tracebacks(error)
            self._exchange.status = failure.status
            await out.fail(failure)
        else:
            await out.done()

    async def _stream(self, out: EventStream) -> None:
        async with aclosing(self._events()) as events:
            first = await anext(events)
            await out.start(edge_headers(self._work.origin))
            await out.events(self._chunks(*first))
            async for item in events:
                await out.events(self._chunks(*item))
        await out.events(self._summary())

    async def _events(self) -> AsyncGenerator[tuple[int, Shown], None]:
        """The events of all calls, booked, each with the index of its call.

        Raises EngineError when an answer has no end.
        """
        begun = False
        try:
            try:
                async with aclosing(self._served()) as served:
                    async for item in served:
                        begun = True
                        yield item
            except (RequestError, Unavailable) as fault:
                if begun or not self._work.helped:
                    raise
                self._work = self._work.alone(fault)
                async with aclosing(self._served()) as served:
                    async for item in served:
                        yield item
        finally:
            origin = self._work.origin
            self._context.meters.generated(origin.model, self._tally, origin.mode)
        if self._tally.finished_answers < self._work.choices:
            raise EngineError("The engine stopped before the answer was complete; try again.")
        self._context.marking.ended(self._work.id)
        if self._record is not None:
            self._record.close(self._work.serving, self._tally)

    async def _served(self) -> AsyncGenerator[tuple[int, Shown], None]:
        service, calls = self._context.service, self._work.calls
        width = max(1, self._context.requests.max_n // self._work.per_call)
        async with aclosing(run_calls(service, calls, width=width)) as numbered:
            async for call, event in numbered:
                self._book(event)
                if not isinstance(event, Cost):
                    if self._record is not None:
                        self._record.take(call, event)
                    yield call, event

    def _book(self, event: Event) -> None:
        self._tally.take(event)
        if isinstance(event, Started):
            self._context.caching.restored(event)
        if not self._seen_token and isinstance(event, Delta):
            self._seen_token = True
            waited = self._context.monotonic() - self._exchange.arrived
            self._context.meters.first_token(self._work.card.id, waited)

    def _chunks(self, call: int, event: Shown) -> list[msgspec.Struct]:
        dialect = self._work.dialect
        if isinstance(event, Started):
            choices = (self._choice(call, i) for i in range(self._work.per_call))
            return [chunk for chunk in map(dialect.opening, choices) if chunk is not None]
        choice = self._choice(call, event.index)
        if not isinstance(event, Delta):
            return [dialect.ending(choice, _reason(event.reason), self._last_edge())]
        if event.text or (dialect.wants_logprobs and event.logprobs):
            return [dialect.piece(choice, event.text, event.logprobs)]
        return []

    def _summary(self) -> list[msgspec.Struct]:
        """What follows the answers of a stream."""
        if not self._work.include_usage:
            return []
        return [self._work.dialect.summary(self._tally.usage(), self._edge())]

    def _choice(self, call: int, index: int) -> int:
        return call * self._work.per_call + index

    def _last_edge(self) -> Edge | None:
        """The times, for the chunk that ends the last choice when no usage follows it."""
        last = self._tally.finished_answers == self._work.choices
        return self._edge() if last and not self._work.include_usage else None

    def _edge(self) -> Edge:
        work = self._work
        return self._tally.edge(work.origin, work.serving.trace, work.before)


def _collect(answer: Answer, event: Delta | Finished) -> None:
    if isinstance(event, Delta):
        answer.texts.append(event.text)
        answer.logprobs.extend(event.logprobs)
    else:
        answer.reason = _reason(event.reason)


def _reason(reason: str) -> str:
    if reason not in ("stop", "length"):
        raise EngineError(f"The engine cut the answer short ({reason}); try again.")
    return reason
