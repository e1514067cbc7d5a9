"""GET and PUT /edge/v1/budget: what the board may spend, and what comes of it."""

from __future__ import annotations

import msgspec
from starlette.types import Receive, Scope, Send

from edge_rt.api.body import read_body
from edge_rt.api.context import Context
from edge_rt.api.decode import decode
from edge_rt.api.governing import BudgetChange
from edge_rt.api.query import whole_numbers
from edge_rt.api.respond import send_json

_DECODER = msgspec.json.Decoder(BudgetChange)


class Budget:
    """Shows the governor, and changes its budget until the daemon ends."""

    def __init__(self, context: Context) -> None:
        self._service = context.service
        self._limit = context.requests.body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises RequestError for a query and for what cannot be a budget."""
        whole_numbers(scope)
        if scope["method"] == "PUT":
            body = await read_body(scope, receive, limit=self._limit)
            self._service.set_budget(decode(_DECODER, body))
        await send_json(send, self._service.budget())
