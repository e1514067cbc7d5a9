"""GET /edge/v1/trace/{id}: why a request was served as it was."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.respond import send_json


class RouteTrace:
    """Tells the trace of a routed request, by the id of its answer."""

    def __init__(self, context: Context) -> None:
        self._service = context.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises RequestError where there is no trace, or none any more."""
        await send_json(send, self._service.trace(scope["path_params"]["id"]))
