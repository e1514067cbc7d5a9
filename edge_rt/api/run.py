"""One request being generated: its events booked and turned into documents."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from functools import partial

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict, replace
from starlette.types import Send
from typing_extensions import override

from edge_rt.api.kept import Found, Record
from edge_rt.api.middleware.context import Context, Exchange, Head, ending
from edge_rt.api.middleware.respond import (
    EventStream,
    Headers,
    edge_headers,
    field_headers,
    send_json,
)
from edge_rt.api.openai.answers import Dialect
from edge_rt.api.work import Work
from edge_rt.core.errors import EngineError, RequestError, Unavailable
from edge_rt.core.events import Delta, Finished, Started
from edge_rt.core.requests import Call, Cost, Event, Repeat
from edge_rt.generation.usage import Edge, Tally

SILENT_S = 15.0  # most proxies wait for a minute, some for half of one
LONGEST = 8 * 1024  # bytes of a kept answer that is remembered as it was told

Shown = Started | Delta | Finished  # the events that clients see something of, as they come
Take = Callable[[int, Shown], Awaitable[None]]
"""Takes an event, with the index of its call."""


class Run:
    """Runs one `Work`; either `plain` or `stream` is to be awaited, once.

    Both have closed the service's iterators before they send the end of the response.
    """

    def __init__(
        self,
        context: Context,
        work: Work,
        dialect: Dialect,
        exchange: Exchange,
        record: Record | None = None,
    ) -> None:
        """`record` notes the answer."""
        self._context = context
        self._work, self._dialect = work, dialect
        self._exchange = exchange
        self._tally = Tally(len(work.calls))
        self._record = record
        self._begun = False  # whether anything of it was handed on
        self._spoke = False  # whether there was a first token

    async def plain(self, send: Send) -> None:
        """Answer with one document."""
        document, edge = await self._whole()
        await send_json(send, document, headers=edge_headers(edge))

    async def _whole(self) -> tuple[msgspec.Struct, Edge]:
        """Return the document of all answers, and what it says of them."""
        await self._generate(self._collect)
        usage, edge = self._tally.usage(), self._edge()
        return self._dialect.whole(self._work.choices, usage, edge), edge

    async def _collect(self, call: int, event: Shown) -> None:
        if not isinstance(event, Started):
            self._dialect.collect(self._choice(call, event.index), event)

    async def stream(self, send: Send) -> None:
        """Answer with events as they come.

        Nothing is sent before the first token, or before SILENT_S have passed: until then a proxy
        may have another board answer.
        """
        out, openings = self._dialect.stream(send), list[msgspec.Struct]()

        async def tell(call: int, event: Shown) -> None:
            if isinstance(event, Started):
                openings.extend(self._chunks(call, event))
                return
            if not out.started:
                await out.start(edge_headers(self._work.origin))
            await out.events([*openings, *self._chunks(call, event)])
            openings.clear()

        async with ending(out, self._exchange):
            beat = asyncio.create_task(self._keep_open(out))
            try:
                await self._generate(tell)
                await out.events(self._summary())
            finally:
                beat.cancel()
                await asyncio.wait([beat])

    async def _keep_open(self, out: EventStream) -> None:
        """Send a comment after each SILENT_S without an event: proxies close silent streams."""
        while True:
            written = out.written
            await asyncio.sleep(SILENT_S)
            if out.written == written:
                await out.start(edge_headers(self._work.origin))
                await out.comment()

    async def _generate(self, take: Take) -> None:
        """Have all calls run, and hand on what is shown of them.

        Raises EngineError when an answer has no end.
        """
        try:
            try:
                await self._calls(take)
            except (RequestError, Unavailable) as fault:
                alone = self._work.plan.alone
                if self._begun or alone is None:
                    raise
                self._exchange.warnings.append(f"{alone.less}: {fault}")
                self._work = self._work.with_calls(plan=alone)
                await self._calls(take)
        finally:
            origin = self._work.origin
            self._context.meters.generated(origin.model, self._tally, origin.mode)
        if self._tally.finished_answers < self._work.choices:
            raise EngineError("The engine stopped before the answer was complete; try again.")
        if self._record is not None:
            self._record.close(self._work.plan, self._tally, self._work.reading)

    async def _calls(self, take: Take) -> None:
        """Run all calls, so many at once as together have `requests.max_n` answers.

        The first error ends all of them.
        """
        waiting = iter(enumerate(self._work.calls))  # shared: a lane takes the next when it is free
        width = max(1, self._context.requests.max_n // self._work.per_call)
        lanes = min(width, len(self._work.calls))
        if lanes == 1:
            await self._lane(waiting, partial(self._tell, take))
            return
        turn = asyncio.Lock()  # one event is counted and told after the other

        async def in_turn(call: int, event: Event) -> None:
            async with turn:
                await self._tell(take, call, event)

        tasks = [asyncio.ensure_future(self._lane(waiting, in_turn)) for _ in range(lanes)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _lane(
        self,
        waiting: Iterator[tuple[int, Call]],
        tell: Callable[[int, Event], Awaitable[None]],
    ) -> None:
        for index, call in waiting:
            async with aclosing(self._context.service.generation.generate(call)) as events:
                async for event in events:
                    await tell(index, event)

    async def _tell(self, take: Take, call: int, event: Event) -> None:
        self._book(call, event)
        if isinstance(event, Cost):
            return
        self._begun = True
        if self._record is not None:
            self._record.take(call, event)
        await take(call, event)

    def _book(self, call: int, event: Event) -> None:
        self._tally.take(event, call)
        if isinstance(event, Started):
            self._context.caching.restored(event)
        if not self._spoke and isinstance(event, Delta):
            self._spoke = True
            took_s = self._context.monotonic() - self._exchange.arrived
            self._context.meters.first_token.observe(self._work.card.id, took_s)

    def _chunks(self, call: int, event: Shown) -> Sequence[msgspec.Struct]:
        dialect = self._dialect
        if isinstance(event, Started):
            choices = (self._choice(call, i) for i in range(self._work.per_call))
            return [chunk for choice in choices for chunk in dialect.opening(choice, event)]
        return dialect.told(self._choice(call, event.index), event, self._last_edge())

    def _summary(self) -> list[msgspec.Struct]:
        """Return what follows the answers of a stream."""
        if not self._work.include_usage:
            return []
        return [self._dialect.summary(self._tally.usage(), self._edge())]

    def _choice(self, call: int, index: int) -> int:
        return call * self._work.per_call + index

    def _last_edge(self) -> Edge | None:
        """Return the times, for the chunk that ends the last choice when no usage follows it."""
        last = self._tally.finished_answers == self._work.choices
        return self._edge() if last and not self._work.include_usage else None

    def _edge(self) -> Edge:
        work, exchange = self._work, self._exchange
        return self._tally.edge(
            work.origin,
            work.plan.trace,
            work.before,
            latency_s=exchange.latency_s(self._context.monotonic()),
            warnings=list(exchange.warnings) or UNSET,
        )


class CachedReplay(Run):
    """A Run of a kept answer.

    No engine worked for it, so it took no joules but those of finding it.
    """

    def __init__(
        self, context: Context, work: Work, dialect: Dialect, exchange: Exchange, found: Found
    ) -> None:
        super().__init__(context, work, dialect, exchange)
        self._found = found
        self.told: Told | None = None  # once it was, if it says the same each time

    @override
    async def plain(self, send: Send) -> None:
        document, edge = await self._whole()
        await send_json(send, document, headers=edge_headers(edge))
        repeat = self._repeat()
        self._context.service.energy_meter.repeated(repeat)  # while the client reads
        exact, short = self._found.near is None, self._found.kept.size <= LONGEST
        if exact and short and self._dialect.lasting:
            lasting = edge_headers(replace(edge, cache_age_s=UNSET, latency_s=UNSET))
            self.told = Told(self._found, document, edge, lasting, repeat)

    @override
    async def _generate(self, take: Take) -> None:
        for _ in self._work.calls:
            self._tally.take(self._found.cost)
        for line in self._found.content.lines:
            event = line.event()
            self._tally.take(event)
            await take(line.call, event)

    @override
    async def stream(self, send: Send) -> None:
        """Answer with all events in one piece; nobody waits in between."""
        out, chunks = self._dialect.stream(send), list[msgspec.Struct]()

        async def gather(call: int, event: Shown) -> None:
            chunks.extend(self._chunks(call, event))

        async with ending(out, self._exchange):
            await self._generate(gather)
            await out.start(edge_headers(self._work.origin))
            await out.events([*chunks, *self._summary()])
            self._context.service.energy_meter.repeated(self._repeat())

    def _repeat(self) -> Repeat:
        tally = self._tally
        return Repeat(
            model=self._found.card.id,
            prompt_tokens=tally.prompt_tokens,
            cached_tokens=tally.cached_tokens,
            completion_tokens=tally.completion_tokens,
            seconds=self._context.monotonic() - self._exchange.arrived,
            saved_j=self._found.content.energy_j,
            answer_id=self._work.id,
            app=self._exchange.app,
        )


class Told(msgspec.Struct, frozen=True):
    """A kept answer as a request was told it, to be told to the same request again.

    `headers` are those of `edge` that stay as they are.
    """

    found: Found
    document: msgspec.Struct
    edge: Edge
    headers: Headers
    repeat: Repeat

    def fits(self, found: Found) -> bool:
        """Return whether `found` is the same answer to the same question, on the same board."""
        same = found.kept is self.found.kept and found.near is None
        return same and found.content.simulated == self.found.content.simulated

    async def again(
        self, context: Context, head: Head, found: Found, exchange: Exchange, send: Send
    ) -> None:
        """Answer with the document, with a `head` of its own and the figures of this moment."""
        latency_s = exchange.latency_s(context.monotonic())
        moment = {"cache_age_s": found.age_s, "latency_s": latency_s}
        edge = replace(self.edge, warnings=list(exchange.warnings) or UNSET, **moment)
        document = replace(self.document, edge=edge, **asdict(head))
        await send_json(send, document, headers=(*self.headers, *field_headers(moment)))
        seconds = context.monotonic() - exchange.arrived
        context.service.energy_meter.repeated(
            replace(self.repeat, seconds=seconds, answer_id=head.id, app=exchange.app)
        )
