"""GET /health, /metrics and the state under /edge/v1: status, board, ledger, budget, history."""

from __future__ import annotations

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.body import read_document
from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.decode import Whole, whole_numbers
from edge_rt.api.middleware.respond import explain, send_bytes, send_failure, send_json
from edge_rt.core.errors import EngineError, StoreError, Unavailable
from edge_rt.core.reports.governor import BudgetChange

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


_SINCE = Whole(1, 86_400, default=3600)


class History:
    """Shows power, temperature and limits over time."""

    def __init__(self, context: Context) -> None:
        self._service = context.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request: the last `since` seconds; raises RequestError."""
        asked = whole_numbers(scope, since=_SINCE)
        await send_json(send, self._service.history(asked["since"]))


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
