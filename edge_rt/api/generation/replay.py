"""One request that was answered before: its events again, and nothing to wait for."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec

from edge_rt.api.generation.caching import Found
from edge_rt.api.generation.run import Run, Shown, Work
from edge_rt.api.middleware.context import Context, Exchange
from edge_rt.api.middleware.headers import edge_headers
from edge_rt.api.middleware.respond import EventStream
from edge_rt.core.requests import Repeat


class Replay(Run):
    """See Run; the documents are those of the first time, chunk by chunk.

    No engine worked for it, so it took no joules but those of finding it.
    """

    def __init__(self, context: Context, work: Work, exchange: Exchange, found: Found) -> None:
        super().__init__(context, work.of(found), exchange)
        self._found = found

    async def _events(self) -> AsyncGenerator[tuple[int, Shown], None]:
        for _ in self._work.calls:
            self._tally.take(self._found.cost)
        for line in self._found.content.lines:
            event = line.event()
            self._tally.take(event)
            yield line.call, event
        self._context.service.repeated(self._repeat())

    async def _stream(self, out: EventStream) -> None:
        chunks: list[msgspec.Struct] = []
        async for item in self._events():
            chunks += self._chunks(*item)
        await out.start(edge_headers(self._work.origin))
        await out.events([*chunks, *self._summary()])  # in one piece: nobody waits in between

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
        )
