"""GET /edge/v1/router and POST /edge/v1/router/reset: what was learnt, and forgetting it."""

from __future__ import annotations

import msgspec
from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.document import read_document
from edge_rt.api.middleware.query import whole_numbers
from edge_rt.api.middleware.respond import send_json
from edge_rt.routing.quality.learner import ArmFilter


class Reset(msgspec.Struct, frozen=True):
    """Of how many arms in a context something was forgotten."""

    arms: int


_DECODER = msgspec.json.Decoder(ArmFilter)


class Router:
    """Shows what was learnt."""

    def __init__(self, context: Context) -> None:
        self._service = context.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises RequestError for any query, as there is nothing to ask."""
        whole_numbers(scope)
        await send_json(send, self._service.router())


class RouterReset:
    """Forgets what was learnt of a model, of a mode, or all."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises RequestError for a query and for what names nothing."""
        which = await read_document(self._context, scope, receive, _DECODER)
        await send_json(send, Reset(self._context.service.reset_router(which)))
