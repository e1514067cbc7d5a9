"""GET /health, GET /metrics and GET /edge/v1/status: the daemon about itself."""

from __future__ import annotations

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.failure import explain
from edge_rt.api.middleware.respond import send_bytes, send_failure, send_json
from edge_rt.core.errors import EngineError, StoreError, Unavailable

RETRY_S = 5.0  # after a failed engine: about what starting it again takes


class Health:
    """Proves that an answer can be made."""

    def __init__(self, context: Context) -> None:
        self._service = context.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises Unavailable when there is no proof."""
        try:
            proof = await self._service.health()
        except (EngineError, StoreError) as error:
            raise Unavailable(str(error), retry_after_s=RETRY_S, code="engine_error") from error
        except Unavailable as error:
            if error.retry_after_s is not None:
                raise
            # Nothing but 503 means "not healthy" to monitors, even where somebody has to act.
            await send_failure(send, msgspec.structs.replace(explain(error), status=503))
            return
        await send_json(send, proof)


class Metrics:
    """Shows the meters to Prometheus."""

    def __init__(self, context: Context) -> None:
        self._meters = context.meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = ((b"content-type", CONTENT_TYPE_LATEST.encode()),)
        await send_bytes(send, self._meters.render(), headers=headers)


class Status:
    """Shows the daemon's state to people."""

    def __init__(self, context: Context) -> None:
        self._service = context.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await send_json(send, await self._service.status())
