"""Answers as ASGI messages: one JSON document, or a stream of server-sent events."""

from __future__ import annotations

import msgspec
from starlette.types import Send

from edge_rt.api.middleware.failure import Failure
from edge_rt.api.middleware.headers import Headers

_JSON = (b"content-type", b"application/json")
_EVENTS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
)


async def send_bytes(send: Send, body: bytes, *, status: int = 200, headers: Headers) -> None:
    """Send a whole response; content-length is added to `headers`."""
    length = (b"content-length", str(len(body)).encode())
    start = {"type": "http.response.start", "status": status, "headers": [*headers, length]}
    await send(start)
    await send({"type": "http.response.body", "body": body})


async def send_json(
    send: Send, document: object, *, status: int = 200, headers: Headers = ()
) -> None:
    """Send `document`, anything that msgspec encodes, as JSON."""
    body = msgspec.json.encode(document)
    await send_bytes(send, body, status=status, headers=(_JSON, *headers))


async def send_failure(send: Send, failure: Failure) -> None:
    """Send an error as the whole response."""
    body = msgspec.json.encode(failure.body)
    await send_bytes(send, body, status=failure.status, headers=(_JSON, *failure.headers))


class EventStream:
    """A response of server-sent events, one ASGI message a call."""

    def __init__(self, send: Send) -> None:
        self.started = False
        self._send = send
        self._encoder = msgspec.json.Encoder()

    async def start(self, headers: Headers = ()) -> None:
        """Send status 200 and the headers, `headers` among them."""
        self.started = True
        all_of_them = [*_EVENTS, *headers]
        await self._send({"type": "http.response.start", "status": 200, "headers": all_of_them})

    async def events(self, documents: list[msgspec.Struct]) -> None:
        """Send each document as one `data:` event, all in one message; none sends nothing."""
        if documents:
            await self._write(b"".join(map(self._event, documents)), more=True)

    async def done(self) -> None:
        """End the stream as OpenAI's streams end."""
        await self._write(b"data: [DONE]\n\n", more=False)

    async def fail(self, failure: Failure) -> None:
        """End the stream with an error event and no [DONE]."""
        await self._write(self._event(failure.body), more=False)

    def _event(self, document: msgspec.Struct) -> bytes:
        return b"data: " + self._encoder.encode(document) + b"\n\n"

    async def _write(self, body: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
