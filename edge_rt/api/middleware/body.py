"""Reading a request body without ever holding more than is allowed."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from edge_rt.api.middleware.context import exchange_of

_VALUE = 64  # bytes of memory that a value of JSON takes besides its text, or a little more


async def read_body(scope: Scope, receive: Receive, *, limit: int) -> bytes:
    """The whole body, at most `limit` bytes.

    Raises HTTPException 413 before anything is read when Content-Length says too much, and as
    soon as more has come when it does not; Unavailable when the bodies of all requests are too
    many bytes; ClientDisconnect when the client leaves half-way.
    """
    exchange = exchange_of(scope)
    _check_declared(scope, limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise _too_large(limit)
        exchange.hold(len(chunks[-1]))
        if not message.get("more_body", False):
            body = b"".join(chunks)
            exchange.hold(_decoded_bytes(body), needed=True)
            return body


def _decoded_bytes(body: bytes) -> int:
    """About what a body takes once it is decoded: its texts again, and an object for each value."""
    return len(body) + _VALUE * sum(map(body.count, (b",", b"[", b"{")))


def _check_declared(scope: Scope, limit: int) -> None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise _too_large(limit)


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"The request body is larger than the {limit} bytes allowed.")
