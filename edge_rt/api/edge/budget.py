"""GET and PUT /edge/v1/budget: what the board may spend, and what comes of it."""

from __future__ import annotations

import msgspec
from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.document import read_document
from edge_rt.api.middleware.query import whole_numbers
from edge_rt.api.middleware.respond import send_json
from edge_rt.core.reports.governor import BudgetChange

_DECODER = msgspec.json.Decoder(BudgetChange)


class Budget:
    """Shows the governor, and changes its budget until the daemon ends."""

    def __init__(self, context: Context) -> None:
        self._context, self._service = context, context.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises RequestError for a query and for what cannot be a budget."""
        if scope["method"] == "PUT":
            change = await read_document(self._context, scope, receive, _DECODER)
            self._service.set_budget(change)
        else:
            whole_numbers(scope)
        await send_json(send, self._service.budget())
