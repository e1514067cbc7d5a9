"""GET /edge/v1/history: how it was."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.query import Whole, whole_numbers
from edge_rt.api.middleware.respond import send_json

_SINCE = Whole(1, 86_400, default=3600)


class History:
    """Shows power, temperature and limits over time."""

    def __init__(self, context: Context) -> None:
        self._service = context.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request: the last `since` seconds; raises RequestError."""
        asked = whole_numbers(scope, since=_SINCE)
        await send_json(send, self._service.history(asked["since"]))
