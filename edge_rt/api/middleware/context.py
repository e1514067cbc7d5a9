"""What surrounds every request: the guard, the error documents, the count, and their context."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_rt.api.caching import Caching
from edge_rt.api.meters import Meters
from edge_rt.api.middleware.access import REFUSED, Authorizer, Rights
from edge_rt.api.middleware.applications import UNNAMED, Applications
from edge_rt.api.middleware.clients import Clients
from edge_rt.api.middleware.respond import (
    EventStream,
    drop_tracebacks,
    explain,
    send_failure,
    warning_headers,
)
from edge_rt.api.service import Service
from edge_rt.config.schema import AnswerChecker, Requests
from edge_rt.core.decoding import CheckerSpec
from edge_rt.core.errors import Unavailable
from edge_rt.core.requests import ModelCard
from edge_rt.generation.images.decoder import ImageDecoder
from edge_rt.generation.samples.sandbox import Sandbox

RETRY_S = 2.0
_KEY = "edge_rt.exchange"
REQUEST_ID = b"x-request-id"
_SANE = re.compile(rb"[A-Za-z0-9._:=+/-]{1,128}")
CLIENT_LEFT = 499  # never sent; in the metrics only


class BodyQuota:
    """Counts the bytes of the bodies that requests have sent and are not done with."""

    def __init__(self, most: int) -> None:
        """`most` bytes of bodies may be held, those of all requests together."""
        self.held = 0
        self._most = most

    def take(self, count: int, *, force: bool = False) -> None:
        """Hold so many more; raises Unavailable where that would be too many, unless by `force`."""
        if not force and self.held + count > self._most:
            raise Unavailable(
                "The bodies of requests under way, and what they are decoded to, come to the "
                f"{self._most} bytes that may be held at once (requests.bodies_bytes): "
                "try again later.",
                retry_after_s=RETRY_S,
                code="bodies",
            )
        self.held += count

    def give_back(self, count: int) -> None:
        self.held -= count


@dataclass(frozen=True)
class Context:
    """The daemon behind the API, what requests may ask for, and the sources of time and of ids."""

    service: Service
    requests: Requests
    version: str
    meters: Meters
    caching: Caching
    clients: Clients
    applications: Applications
    checkers: Mapping[str, CheckerSpec]  # by name
    judges: Mapping[str, AnswerChecker]  # the programs that judge whole answers, by name
    sandbox: Sandbox  # that runs these
    images: ImageDecoder
    clock: Callable[[], float]  # Unix seconds
    monotonic: Callable[[], float]  # seconds
    new_id: Callable[[], str]
    ending: asyncio.Event  # set when streams without an end of their own are to end


class Head(msgspec.Struct, frozen=True):
    """What all documents of one answer have in common."""

    id: str
    created: int
    model: str
    system_fingerprint: str


@dataclass
class Exchange:
    """One request and its response, for the metrics, the cache and the limits."""

    arrived: float  # monotonic seconds
    intake: BodyQuota
    endpoint: str = "other"
    model: str = ""
    client: str | None = None  # who asks, where the connection tells
    app: str = UNNAMED
    rights: Rights = Rights()  # noqa: RUF009 - frozen
    status: int = 0  # 0: nothing sent yet
    warnings: list[str] = field(default_factory=list[str])  # each an X-Edge-Warning header
    _held: int = 0  # bytes

    def hold(self, count: int, *, needed: bool = False) -> None:
        """Count so many bytes of the body, until it is closed; raises Unavailable.

        Bytes that a complete request has `needed` are refused only while other requests hold some.
        """
        alone = self.intake.held == self._held
        self.intake.take(count, force=needed and alone)
        self._held += count

    def latency_s(self, now_s: float) -> float:
        """Return the seconds from its arrival to `now_s`, as clients are told them."""
        return round(now_s - self.arrived, 6)

    def close(self) -> None:
        self.intake.give_back(self._held)
        self._held = 0


def open_exchange(scope: Scope, arrived: float, intake: BodyQuota) -> Exchange:
    """Begin the exchange of `scope`, to be closed; its body is counted by `intake`."""
    scope[_KEY] = exchange = Exchange(arrived, intake)
    return exchange


def exchange_of(scope: Scope) -> Exchange:
    """Return the exchange that `open_exchange` began."""
    exchange: Exchange = scope[_KEY]
    return exchange


@asynccontextmanager
async def ending(out: EventStream, exchange: Exchange) -> AsyncGenerator[None]:
    """End a stream after the block, by what the block raises once the stream has begun.

    Before that, it is raised.
    """
    try:
        yield
    except Exception as error:
        if not out.started:
            raise
        failure = explain(error)
        drop_tracebacks(error)
        exchange.status = failure.status
        await out.fail(failure)
    else:
        await out.done()


def new_head(context: Context, card: ModelCard, id: str) -> Head:
    """Return the head of a new answer; its fingerprint is of the program and the model's file."""
    fingerprint = _fingerprint(f"{context.version} {card.backend} {card.sha256}")
    return Head(id, int(context.clock()), card.id, fingerprint)


@lru_cache(maxsize=64)
def _fingerprint(what: str) -> str:
    return f"fp_{hashlib.sha256(what.encode()).hexdigest()[:10]}"


class RequestMiddleware:
    """The outermost ASGI app."""

    def __init__(
        self,
        inner: ASGIApp,
        *,
        guard: Authorizer,
        intake: BodyQuota,
        meters: Meters,
        monotonic: Callable[[], float],
    ) -> None:
        """Wrap the app."""
        self._inner = inner
        self._guard = guard
        self._intake = intake
        self._meters = meters
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only HTTP is guarded and counted, for nothing else is served."""
        scope["app"] = self  # makes the router raise its 404 and 405 instead of answering them
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        _drop_authority(scope)
        exchange = open_exchange(scope, self._monotonic(), self._intake)
        self._meters.in_flight += 1
        try:
            given = next((value for name, value in scope["headers"] if name == REQUEST_ID), b"")
            id = given if _SANE.fullmatch(given) else secrets.token_hex(16).encode()
            await self._serve(scope, receive, _noting(exchange, id, send))
        finally:
            exchange.close()
            self._meters.in_flight -= 1
            status = exchange.status or CLIENT_LEFT
            self._meters.requests.add(exchange.endpoint, exchange.model, str(status))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        try:
            exchange.client, exchange.rights = self._guard.check(scope)
            await self._inner(scope, receive, send)
        except ClientDisconnect as error:
            exchange.status = scope.get("state", {}).get(REFUSED, CLIENT_LEFT)
            drop_tracebacks(error)
        except Exception as error:
            if exchange.status:
                raise
            if isinstance(error, Unavailable):
                self._meters.refused.add(error.code)
            failure = explain(error)
            drop_tracebacks(error)
            await send_failure(send, failure, scope["path"])


def _drop_authority(scope: Scope) -> None:
    """Reduce a target in absolute form, as it is sent to proxies, to its path."""
    if scope["path"].startswith(("http://", "https://")):
        scope["path"] = f"/{'/'.join(scope['path'].split('/')[3:])}"
        scope["raw_path"] = b"/" + b"/".join(scope["raw_path"].split(b"/")[3:])


def _noting(exchange: Exchange, request_id: bytes, send: Send) -> Send:
    async def noted(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            said = warning_headers(exchange.warnings)
            own = (REQUEST_ID, request_id)
            message = {**message, "headers": [*message.get("headers", ()), own, *said]}
        await send(message)

    return noted
