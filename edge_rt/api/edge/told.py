"""Documents of the daemon as a stream of events, for as long as the client listens."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.context import exchange_of
from edge_rt.api.middleware.failure import drop_tracebacks, explain
from edge_rt.api.middleware.respond import EventStream
from edge_rt.api.middleware.watch import unless_gone


async def tell(
    scope: Scope,
    receive: Receive,
    send: Send,
    documents: AsyncGenerator[msgspec.Struct],
) -> None:
    """Send each document as it comes; what fails before the first one is raised.

    The generator is closed when the client goes away. Raises ClientDisconnect then.
    """
    await unless_gone(_tell(scope, send, documents), receive)


async def _tell(scope: Scope, send: Send, documents: AsyncGenerator[msgspec.Struct]) -> None:
    out = EventStream(send)
    try:
        async with aclosing(documents) as said:
            async for document in said:
                if not out.started:
                    await out.start()
                await out.events([document])
    except Exception as error:
        if not out.started:
            raise
        failure = explain(error)
        drop_tracebacks(error)
        exchange_of(scope).status = failure.status
        await out.fail(failure)
    else:
        await out.done()
