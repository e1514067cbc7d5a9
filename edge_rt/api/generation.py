"""The endpoints that generate: one course for both dialects."""

from __future__ import annotations

from abc import ABC, abstractmethod

from starlette.types import Receive, Scope, Send

from edge_rt.api.allowance import Terms
from edge_rt.api.body import read_body
from edge_rt.api.context import Context, exchange_of
from edge_rt.api.fields import GenerationFields
from edge_rt.api.run import Run, Work
from edge_rt.api.watch import unless_gone
from edge_rt.api.wish import Wish, Write


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

    def wish(
        self, fields: GenerationFields, prefix: str, max_tokens: int | None, write: Write
    ) -> Wish:
        """How the request wants to be served; its answer's id begins with `prefix`."""
        terms = fields.edge or Terms()
        return Wish(
            id=f"{prefix}-{self.context.new_id()}",
            model=fields.model or "default",
            write=write,
            max_tokens=max_tokens,
            ignore_eos=bool(fields.ignore_eos),
            aims=terms.aims,
            trace=terms.trace,
            mode=terms.mode_wish,
        )

    @abstractmethod
    async def prepare(self, body: bytes) -> Work:
        """Decode and check a request; raises RequestError or ModelNotFound."""
