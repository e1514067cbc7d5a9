"""GET /edge/v1/events: what the page shows, as server-sent events."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import msgspec
from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.access import Rights
from edge_rt.api.middleware.context import Context, exchange_of
from edge_rt.api.middleware.decode import unless_gone, whole_numbers
from edge_rt.api.middleware.respond import EventStream
from edge_rt.api.page.feed import Feed
from edge_rt.api.page.snapshot import PageHello, snapshot

PERIOD_S = 2.0


class Events:
    """Tells every listener the same snapshots until the daemon is about to end."""

    def __init__(self, context: Context, ending: asyncio.Event) -> None:
        """`ending` is set when open streams are to end."""
        self._context, self._ending = context, ending
        self._feed = Feed(self._snapshot, self._pause)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one listener; raises RequestError for any query."""
        whole_numbers(scope)
        await unless_gone(self._tell(exchange_of(scope).rights, EventStream(send)), receive)

    async def _tell(self, rights: Rights, out: EventStream) -> None:
        await out.start()
        await out.events([self._hello(rights)])
        async with aclosing(self._feed.listen()) as snapshots:
            async for one in snapshots:
                await out.encoded(one)
        await out.encoded(b"", more=False)

    def _hello(self, rights: Rights) -> PageHello:
        cards = self._context.service.cards()
        models = [card.id for card in cards if card.kind == "language"]
        version = self._context.version
        return PageHello(version, PERIOD_S, rights.generate, rights.administer, models)

    async def _snapshot(self) -> bytes:
        told = await snapshot(self._context.service, self._context.clock())
        return b"data: " + msgspec.json.encode(told) + b"\n\n"

    async def _pause(self) -> bool:
        try:
            await asyncio.wait_for(self._ending.wait(), PERIOD_S)
        except asyncio.TimeoutError:
            return False
        return True
