"""One client's connection, and how long it may take for each step."""

from __future__ import annotations

import asyncio
import re
import select
import socket
from dataclasses import dataclass
from typing import Any, Literal, cast

import h11
import msgspec
from starlette.types import Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from edge_rt.api.middleware.access import PEER, PEER_GROUPS, REFUSED
from edge_rt.api.middleware.respond import ErrorBody, ErrorDetail, explain, send_failure
from edge_rt.core.errors import Unavailable
from edge_rt.server.connection_limiter import (
    ConnectionLimiter,
    ConnectionOwner,
    ConnectionVerdict,
    peer_of,
)

RETRY_S = 2.0  # after which there may be a place for one more connection

_PHRASES = {400: b"Bad Request", 408: b"Request Timeout"}
_CLOSE = (b"connection", b"close")
_SHORT = re.compile(r"received (\d+) bytes, expected (\d+)")  # in h11's error
_AWAITED: dict[Any, Literal["head", "body"]] = {h11.IDLE: "head", h11.SEND_BODY: "body"}
READ = 64 * 1024  # bytes at once; for asyncio's 256 KiB malloc maps memory anew each time
BODY_STEP = 32 * 1024
BODY_RATE = 256 * 1024
KEEP_ALIVE_S = 75  # for the next request; proxies and SDKs close after 60 or less, and never race
GONE_S = 0.5  # between two looks whether a client that sends no more is gone
FIRST_S = 0.5  # for the first request of a client that has connected just before the server stops


@dataclass(frozen=True)
class Patience:
    """The seconds that a client may take for each part of a request."""

    head_s: float = 10.0  # for all of a request's head
    body_s: float = 10.0  # for each BODY_STEP bytes of a body, or its end
    whole_s: float = 120.0  # for all of a body, and a second more for each BODY_RATE bytes of it
    read_s: float = 30.0  # for it to read an answer on, once so much is unread that we hold some


class Connection(H11Protocol):
    """uvicorn's protocol, which tells the app who is at the other end of a Unix socket.

    It waits a limited time for a head, for a body, and for an answer to be read.
    """

    def __init__(
        self,
        limiter: ConnectionLimiter,
        patience: Patience,
        caller: ConnectionOwner,
        verdict: ConnectionVerdict,
        **given: Any,
    ) -> None:
        """Serve the connection of `caller`, which the limiter let in with `verdict`, until it ends.

        `given` is what uvicorn hands to its protocols.
        """
        super().__init__(**given)
        self._limiter, self._patience = limiter, patience
        self._caller = caller
        if verdict is ConnectionVerdict.FULL:
            self.app = _full
        self._came = 0  # bytes
        self._awaited: Literal["head", "body"] | None = None
        self._late: asyncio.TimerHandle | None = None
        self._due_s = 0.0  # by the loop's clock, when the body that is awaited must have come
        self._ended = False  # whether the client sends no more
        self._unread: asyncio.TimerHandle | None = None
        self._presence: asyncio.TimerHandle | None = None
        self._stopped: asyncio.TimerHandle | None = None

    @override
    def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride] - as uvicorn's
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        cast("Any", transport).max_size = READ
        connection = transport.get_extra_info("socket")
        peer = peer_of(connection)
        if peer is not None:
            self.app_state = {**self.app_state, PEER: peer.uid, PEER_GROUPS: peer.groups}
        else:
            _notice_gone(connection)
        self._watch()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._late, self._unread, self._presence, self._stopped):
            if timer is not None:
                timer.cancel()
        self._limiter.leave(self._caller.client)
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        self._came += len(data)
        super().data_received(data)
        self._watch()

    @override
    def eof_received(self) -> bool | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Answer a client that sends no more but may still read; asyncio closes on None."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None or cycle.response_complete:
            self._refuse_short_head()
            return None
        if self.conn.their_state is h11.SEND_BODY:
            self._refuse_short_body()
            return None
        self._ended = True
        cycle.keep_alive = self._has_more
        peer = cast("socket.socket", self.transport.get_extra_info("socket"))
        old = cycle.scope["http_version"] == "1.0"  # which has no interim responses
        unbegun = self.conn.our_state is h11.SEND_RESPONSE and not old
        if peer.family != socket.AF_UNIX and unbegun:
            # Whoever has closed, and not only sends no more, answers this with a reset.
            interim = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            self.transport.write(self.conn.send(interim) or b"")
        if _is_gone(peer):
            return None
        self._presence = self.loop.call_later(GONE_S, self._look_for, peer)
        return True

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read its answer."""
        super().pause_writing()
        self._expect_reading()

    @override
    def resume_writing(self) -> None:
        if self._unread is not None and not self.transport.is_closing():
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()  # which begins the next request, if that came already
        if self._ended:
            self._end_with_the_last()
        if self.transport.is_closing():
            self._expect_reading()

    @property
    def _has_more(self) -> bool:
        """Whether something came behind the request that is being answered."""
        return bool(self.conn.trailing_data[0])

    def _end_with_the_last(self) -> None:
        """Close after the last whole request of a client that sends no more."""
        cycle = self.cycle
        if cycle.response_complete:
            self._refuse_short_head()
            self.transport.close()
        elif self.conn.their_state is h11.SEND_BODY:
            self._refuse_short_body()
        else:
            cycle.keep_alive = self._has_more

    def _refuse_short_head(self) -> None:
        """Refuse a request whose client sends no more before its head is whole; if one began."""
        if self.conn.their_state is h11.IDLE and self._has_more:
            self._refuse(400, "incomplete_head", "The request's head is incomplete.")

    def _refuse_short_body(self) -> None:
        """Refuse a request whose client sends no more before its body is whole."""
        try:
            self.conn.receive_data(b"")  # the end, to h11
            self.conn.next_event()
        except h11.RemoteProtocolError as error:
            found = _SHORT.search(str(error))
            came = f"{found[1]} of {found[2]} bytes came" if found else "its last chunk is missing"
            self._refuse(400, "incomplete_body", f"The request's body is incomplete: {came}.")

    @override
    def shutdown(self) -> None:
        """Close after the answer; without a request yet, FIRST_S later: one may be on its way."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None and self._stopped is None:
            self._stopped = self.loop.call_later(FIRST_S, super().shutdown)
        else:
            super().shutdown()

    @override
    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._expect_reading()

    def send_400_response(self, msg: str) -> None:
        """Refuse input that is not HTTP."""
        self._refuse(400, "invalid_http", msg)

    def _look_for(self, peer: socket.socket) -> None:
        """Look again and again whether a client that sends no more is gone; then end."""
        if self.transport.is_closing():
            return
        if _is_gone(peer):
            self.transport.abort()
        else:
            self._presence = self.loop.call_later(GONE_S, self._look_for, peer)

    def _watch(self) -> None:
        """Time the next head or body; a new timer starts where another one is awaited."""
        closing = self.transport.is_closing()
        awaited = None if closing else _AWAITED.get(self.conn.their_state)
        if awaited == self._awaited:
            return
        if self._late is not None:
            self._late.cancel()
        self._awaited = awaited
        self._due_s = self.loop.time() + self._patience.whole_s
        self._late = None if awaited is None else self._wait(awaited)

    def _wait(self, awaited: Literal["head", "body"]) -> asyncio.TimerHandle:
        patience_s = self._patience.head_s if awaited == "head" else self._patience.body_s
        return self.loop.call_later(patience_s, self._look, awaited, self._came)

    def _look(self, awaited: Literal["head", "body"], came: int) -> None:
        """End the connection, since its time is up.

        A body may take as much again while enough of it comes.

        What is sent just fast enough for that would hold its place for most of an hour, so that all
        of a body has a time, too. The time in which we do not read does not count.
        """
        more = self._came - came
        self._due_s += self._patience.body_s if self.flow.read_paused else more / BODY_RATE
        in_time = more >= BODY_STEP and self.loop.time() < self._due_s
        goes_on = self.flow.read_paused or in_time
        if awaited == "body" and goes_on:
            self._late = self._wait(awaited)
        elif not self.transport.is_closing():
            self._refuse(408, "request_timeout", f"The request's {awaited} takes too long to come.")

    def _expect_reading(self) -> None:
        if self._unread is None:
            self._unread = self.loop.call_later(self._patience.read_s, self.transport.abort)

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer for the app, unless that has begun to, and close the connection."""
        unbegun = self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE)
        if unbegun:
            for part in _document(status, code, message):
                self.transport.write(self.conn.send(part) or b"")
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            if unbegun:  # the status is for metrics and traces, too
                cycle.scope.setdefault("state", {})[REFUSED] = status
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()
        self._expect_reading()


def _notice_gone(connection: socket.socket | None) -> None:
    """Have the kernel notice within two minutes that a machine is gone, and end the connection."""
    if connection is None or connection.family == socket.AF_UNIX:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, 60),
        (socket.TCP_KEEPINTVL, 15),
        (socket.TCP_KEEPCNT, 4),
        (socket.TCP_USER_TIMEOUT, 60_000),
    ):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


def _is_gone(peer: socket.socket) -> bool:
    """Return whether the other side has closed; False if it has only ended what it sends."""
    poll = select.poll()
    poll.register(peer.fileno(), 0)  # errors and hang-ups are always told
    return bool(poll.poll(0))


def _document(status: int, code: str, message: str) -> list[h11.Event]:
    detail = ErrorDetail(message, "invalid_request_error", None, code)
    body = msgspec.json.encode(ErrorBody(detail))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        _CLOSE,
    ]
    head = h11.Response(status_code=status, headers=headers, reason=_PHRASES[status])
    return [head, h11.Data(data=body), h11.EndOfMessage()]


async def _full(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a connection that is one too many."""
    message = "There are too many connections (requests.connections): try again later."
    failure = explain(Unavailable(message, retry_after_s=RETRY_S, code="connections"))
    await send_failure(send, msgspec.structs.replace(failure, headers=(*failure.headers, _CLOSE)))
