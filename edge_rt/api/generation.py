"""The endpoints that generate: one course for both dialects."""

from __future__ import annotations

from abc import ABC, abstractmethod

from starlette.types import Receive, Scope, Send

from edge_rt.api.body import read_body
from edge_rt.api.context import Context, exchange_of
from edge_rt.api.run import Run, Work
from edge_rt.api.service import Serving
from edge_rt.api.watch import unless_gone


class Generation(ABC):
    """An ASGI endpoint that reads a request, checks it and runs it while the client waits."""

    def __init__(self, context: Context) -> None:
        self.context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; errors before the response are raised."""
        body = await read_body(scope, receive, limit=self.context.requests.body_bytes)
        exchange = exchange_of(scope)
        work = (await self.prepare(body)).granted(exchange.arrived)
        exchange.model = work.card.id
        run = Run(self.context, work, exchange)
        await unless_gone(run.stream(send) if work.stream else run.plain(send), receive)

    def serving(self, model: str | None) -> Serving:
        """What answers for the model asked for, or the default one; raises ModelNotFound."""
        return self.context.service.serving(model or "default")

    @abstractmethod
    async def prepare(self, body: bytes) -> Work:
        """Decode and check a request; raises RequestError or ModelNotFound."""
