"""GET /edge/v1/board and GET /edge/v1/ledger: what is felt, and what was spent."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.query import Whole, whole_numbers
from edge_rt.api.middleware.respond import send_json

_DAYS = Whole(1, 3650, default=30)
_LAST = Whole(0, 1000, default=20)


class Board:
    """Shows every rail, zone and flag as it stands."""

    def __init__(self, context: Context) -> None:
        self._service = context.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises RequestError for any query, as there is nothing to ask."""
        whole_numbers(scope)
        await send_json(send, self._service.board())


class Ledger:
    """Shows the joules by day, by model and of the last requests."""

    def __init__(self, context: Context) -> None:
        self._service = context.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request: `days` UTC days, `last` requests; raises RequestError."""
        asked = whole_numbers(scope, days=_DAYS, last=_LAST)
        await send_json(send, await self._service.ledger(asked["days"], asked["last"]))
