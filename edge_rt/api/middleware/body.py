"""Reading the body of a request, and watching whether its client is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from edge_rt.api.middleware.context import Context, exchange_of
from edge_rt.api.middleware.decode import decode, whole_numbers

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


T = TypeVar("T")


async def read_document(
    context: Context, scope: Scope, receive: Receive, decoder: msgspec.json.Decoder[T]
) -> T:
    """The body as `decoder` reads it.

    Raises RequestError, also for any query; and what `read_body` raises.
    """
    whole_numbers(scope)
    return decode(decoder, await read_body(scope, receive, limit=context.requests.body_bytes))


async def unless_gone(work: Coroutine[object, object, None], receive: Receive) -> None:
    """Run `work` to its end, or cancel it as soon as the client goes away.

    The request body must have been read. `work` must not wait for anything after it has sent the
    end of the response, for servers report a finished exchange as a disconnect too. Raises
    ClientDisconnect when the client left, and what `work` raises.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
    if task.cancelled():
        raise ClientDisconnect
    task.result()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
