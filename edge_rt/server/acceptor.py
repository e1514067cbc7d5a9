"""Accepting connections, at little cost for those that are refused."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from edge_rt.api.middleware.access import ROOT
from edge_rt.api.middleware.respond import ErrorBody, ErrorDetail
from edge_rt.server.connection_limiter import (
    ConnectionLimiter,
    ConnectionOwner,
    ConnectionVerdict,
    caller_of,
)
from edge_rt.server.listening import keep_out

log = logging.getLogger(__name__)

BACKLOG = 65535  # connections that the kernel holds for us: as many as net.core.somaxconn allows
TURN_S = 0.02  # for which connections are accepted before the rest of the loop has its turn
OPENED = 16  # in such a turn; each takes as long as dozens that are closed
TOLD = 16  # in such a turn that are told why they are refused; the others are just closed
PAUSE_S = 1.0  # without accepting, once no file descriptor is left
TOLD_S = 60.0  # between two lines of the log about that
KEPT_OUT_S = 10.0  # of a user who floods
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

MakeProtocol = Callable[[ConnectionOwner, ConnectionVerdict], asyncio.BaseProtocol]

_TOO_MANY = "There are too many connections (requests.connections): try again later."
_TOO_OFTEN = "This client opens too many connections a second: keep one open, or try again later."


def _refusal(status: str, kind: str, code: str, message: str) -> bytes:
    body = msgspec.json.encode(ErrorBody(ErrorDetail(message, kind, None, code)))
    head = (
        f"HTTP/1.1 {status}\r\nretry-after: 2\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


_OFTEN = _refusal("429 Too Many Requests", "rate_limit_error", "rate_limit", _TOO_OFTEN)
_REFUSALS = {
    ConnectionVerdict.SHUT: _refusal(
        "503 Service Unavailable", "server_error", "connections", _TOO_MANY
    ),
    ConnectionVerdict.OFTEN: _OFTEN,
    ConnectionVerdict.FLOOD: _OFTEN,
}


class Acceptor:
    """Accepts the connections of one listening socket, as far as `limiter` lets them in.

    asyncio's own server makes a task, a transport and a protocol for each of up to as many
    connections as the backlog holds, in one turn of the loop. A program that does nothing but
    connect would keep it busy with that alone. Several fill the backlog faster than it can be
    emptied, so that the kernel has to refuse the user who runs them.
    """

    def __init__(
        self,
        sock: socket.socket,
        limiter: ConnectionLimiter,
        make: MakeProtocol,
        keep_out: Callable[[socket.socket, Collection[int]], None] = keep_out,
    ) -> None:
        """Listen, and accept from now on.

        `make` makes the protocol of a connection, and `keep_out` has the kernel refuse users.
        """
        self._keep_out, self._kept_out = keep_out, dict[int, asyncio.TimerHandle]()
        self._sock, self._limiter, self._make = sock, limiter, make
        # accept() itself makes an object that takes as long as all that refuses a connection.
        self._next: Callable[[], tuple[int, Any]] = sock._accept  # pyright: ignore
        self._kind = int(sock.family), int(sock.type)
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[Any]] = set()
        self._paused: asyncio.TimerHandle | None = None
        self._told_s: float | None = None
        sock.setblocking(False)
        sock.listen(BACKLOG)
        self._refuse_users()  # nobody: a daemon that was killed may have left some
        self._resume()

    def close(self) -> None:
        """Accept no more; as of asyncio.Server, and so is wait_closed."""
        if self._paused is not None:
            self._paused.cancel()
        for readmission in self._kept_out.values():
            readmission.cancel()
        self._kept_out.clear()
        self._refuse_users()
        self._loop.remove_reader(self._sock)

    async def wait_closed(self) -> None:
        """See close: nothing is waited for."""

    def _resume(self) -> None:
        self._paused = None
        self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        """Accept new connections for a short time; the loop calls again while there are more."""
        until_s, opened, refused = time.monotonic() + TURN_S, 0, 0
        while opened < OPENED and time.monotonic() < until_s:
            try:
                number, address = self._next()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._pause(error)
                return
            connection = socket.SocketType(*self._kind, 0, number)
            caller = caller_of(connection, address)
            verdict = self._limiter.enter(caller.client, caller.program)
            if verdict is ConnectionVerdict.FLOOD:
                self._flooded_by(caller.client)
            if verdict in _REFUSALS:
                if refused < TOLD:
                    with suppress(OSError):  # the client may be gone
                        connection.send(_REFUSALS[verdict], socket.MSG_DONTWAIT)
                connection.close()
                refused += 1
            else:
                self._open(connection, caller, verdict)
                opened += 1

    def _open(
        self, connection: socket.SocketType, caller: ConnectionOwner, verdict: ConnectionVerdict
    ) -> None:
        whole = socket.socket(fileno=connection.detach())
        whole.setblocking(False)
        make = partial(self._make, caller, verdict)
        task = self._loop.create_task(self._loop.connect_accepted_socket(make, whole))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def _flooded_by(self, user: object) -> None:
        """Keep a user out for a while; the kernel refuses neither root nor this user."""
        if isinstance(user, int) and user not in (ROOT, os.geteuid(), *self._kept_out):
            self._kept_out[user] = self._loop.call_later(KEPT_OUT_S, self._readmit, user)
            if self._refuse_users():
                log.warning(
                    "user %d opens so many connections that others find no place: it is refused "
                    "for %g s",
                    user,
                    KEPT_OUT_S,
                )

    def _readmit(self, user: int) -> None:
        del self._kept_out[user]
        self._refuse_users()

    def _refuse_users(self) -> bool:
        """Return whether the kernel refuses those who are kept out: not all file systems can."""
        with suppress(OSError):
            self._keep_out(self._sock, self._kept_out)
            return True
        return False

    def _pause(self, error: OSError) -> None:
        """Stop accepting for a while; clients wait in the backlog of the socket meanwhile."""
        self._loop.remove_reader(self._sock)
        self._paused = self._loop.call_later(PAUSE_S, self._resume)
        now_s = time.monotonic()
        if self._told_s is None or now_s - self._told_s >= TOLD_S:
            self._told_s = now_s
            log.warning(
                "no connection can be accepted (%s): new clients wait until others leave; "
                "raise the limit of open files (LimitNOFILE=, ulimit -n) if that lasts",
                error.strerror,
            )
