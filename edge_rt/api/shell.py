"""What surrounds every request: the guard, the error documents, the count."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_rt.api.context import Exchange, exchange_of, open_exchange
from edge_rt.api.failure import explain
from edge_rt.api.guard import Guard
from edge_rt.api.metrics import Meters
from edge_rt.api.respond import send_failure
from edge_rt.errors import Unavailable

CLIENT_LEFT = 499  # never sent; in the metrics only


class Shell:
    """The outermost ASGI app."""

    def __init__(
        self, inner: ASGIApp, *, guard: Guard, meters: Meters, monotonic: Callable[[], float]
    ) -> None:
        self._inner = inner
        self._guard = guard
        self._meters = meters
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only HTTP is guarded and counted, for nothing else is served."""
        scope["app"] = self  # makes the router raise its 404 and 405 instead of answering them
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        exchange = open_exchange(scope, self._monotonic())
        self._meters.in_flight.inc()
        try:
            await self._serve(scope, receive, _noting(exchange, send))
        finally:
            self._meters.in_flight.dec()
            status = exchange.status or CLIENT_LEFT
            self._meters.answered(exchange.endpoint, exchange.model, status)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        try:
            exchange.client = self._guard.check(scope)
            await self._inner(scope, receive, send)
        except ClientDisconnect:
            exchange.status = CLIENT_LEFT
        except Exception as error:
            if exchange.status:
                raise
            if isinstance(error, Unavailable):
                self._meters.refused(error.code)
            await send_failure(send, explain(error))


class Named:
    """An endpoint that enters `label` as the endpoint of the exchange."""

    def __init__(self, label: str, inner: ASGIApp) -> None:
        self._label = label
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange_of(scope).endpoint = self._label
        await self._inner(scope, receive, send)


def _noting(exchange: Exchange, send: Send) -> Send:
    async def noted(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
        await send(message)

    return noted
