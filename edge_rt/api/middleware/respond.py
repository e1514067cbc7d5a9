"""Responses as ASGI messages: one document, a stream, or an error in the shape of its API."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Literal
from urllib.parse import quote

import msgspec
from starlette.exceptions import HTTPException
from starlette.types import Send
from typing_extensions import override

from edge_rt.core.errors import (
    EngineError,
    EngineStopped,
    ModelFileError,
    ModelNotFound,
    NotCached,
    RequestError,
    StoreError,
    Unavailable,
)

_log = logging.getLogger("edge_rt.api")

OLLAMA = "/api/"  # what the paths of Ollama's API begin with
MESSAGES = "/v1/messages"  # and those of Anthropic's
STORE_S = 10.0  # in which a store that cannot be read may be there again

HTTP_CODES = {
    400: "invalid_http",
    401: "invalid_api_key",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "request_too_large",
}

_PLAIN = "@+:"  # harmless in a header beside what `quote` leaves alone
_SENTENCE = _PLAIN + " !\"#$&'()*,/;<=>?[]^`{|}"
_LONGEST = 1000  # characters of a warning
JSON_TYPE = (b"content-type", b"application/json")
_LINES = (b"content-type", b"application/x-ndjson")
_UNBUFFERED = (b"x-accel-buffering", b"no")  # to nginx, which else holds events back
_EVENTS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    _UNBUFFERED,
)
_MESSAGES_TYPES = {  # by status; others are errors of the API
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


class ErrorDetail(msgspec.Struct, frozen=True):
    """What went wrong; `param` is the path of the request field at fault."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(msgspec.Struct, frozen=True):
    """The JSON document of an error, plain or inside a stream."""

    error: ErrorDetail


class Failure(msgspec.Struct, frozen=True):
    """An error ready to be sent."""

    status: int
    body: ErrorBody
    headers: tuple[tuple[bytes, bytes], ...] = ()


class PlainError(msgspec.Struct, frozen=True):
    """The JSON document of an error in Ollama's API."""

    error: str

    @classmethod
    def of(cls, failure: Failure) -> PlainError:
        """Return what went wrong, without type, code and field."""
        return cls(failure.body.error.message)


class MessagesDetails(msgspec.Struct, frozen=True):
    """The code of an error, and the path of the request field at fault."""

    error_code: str | None
    param: str | None


class MessagesFault(msgspec.Struct, frozen=True):
    """What went wrong, as Anthropic's API tells it."""

    type: str
    message: str
    details: MessagesDetails


class MessagesError(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON document of an error in Anthropic's API, plain or inside a stream."""

    type: Literal["error"] = "error"
    error: MessagesFault

    @classmethod
    def of(cls, failure: Failure) -> MessagesError:
        """Return what went wrong in the words of that API."""
        kind, error = _MESSAGES_TYPES.get(failure.status, "api_error"), failure.body.error
        return cls(
            error=MessagesFault(kind, error.message, MessagesDetails(error.code, error.param))
        )


def error_document(failure: Failure, path: str) -> msgspec.Struct:
    """Return the document of an error of the API that has `path`."""
    if path.startswith(OLLAMA):
        return PlainError.of(failure)
    return MessagesError.of(failure) if path.startswith(MESSAGES) else failure.body


def explain(error: Exception) -> Failure:
    """Return the status, document and headers for `error`.

    Logs those that are the daemon's own fault.
    """
    if isinstance(error, RequestError):
        return _failure(400, str(error), param=error.param, code=error.code)
    if isinstance(error, ModelNotFound):
        return _failure(404, str(error), param="model", code="model_not_found")
    if isinstance(error, NotCached):
        return _failure(404, str(error), param="edge.cache", code="not_cached")
    if isinstance(error, Unavailable):
        return _unavailable(error)
    if isinstance(error, (ModelFileError, StoreError)):
        later_s = STORE_S if isinstance(error, StoreError) else None
        return _unavailable(Unavailable(str(error), retry_after_s=later_s, code="model_store"))
    if isinstance(error, HTTPException):
        return _http(error)
    return _own_fault(error)


def drop_tracebacks(error: BaseException) -> None:
    """Drop the traceback of an error that was handled, and those of the errors that led to it.

    A frame that holds its own error is part of a reference cycle: whatever it holds, such as the
    body of a request, would stay in memory until the next full garbage collection. Frames are not
    cleared: several requests may share an error, and one of them may still run in its frame.
    """
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            pending += (one.__cause__, one.__context__)


def retry_after(seconds: float) -> tuple[bytes, bytes]:
    """Return the Retry-After header: whole seconds, at least 1."""
    return (b"retry-after", str(max(1, math.ceil(seconds))).encode())


def _failure(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> Failure:
    detail = ErrorDetail(message=message, type=kind, param=param, code=code)
    return Failure(status=status, body=ErrorBody(detail), headers=headers)


def _unavailable(error: Unavailable) -> Failure:
    limited, later_s = error.code == "rate_limit", error.retry_after_s
    if later_s is None:  # 503 is for what passes by itself, and clients send the same again
        again = ((b"x-should-retry", b"false"),)  # which OpenAI's clients obey
        return _failure(500, str(error), kind="server_error", code=error.code, headers=again)
    return _failure(
        429 if limited else 503,
        str(error),
        kind="rate_limit_error" if limited else "server_error",
        code=error.code,
        headers=(retry_after(later_s),),
    )


def _http(error: HTTPException) -> Failure:
    headers = tuple(
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in (error.headers or {}).items()
    )
    message = error.detail or HTTPStatus(error.status_code).phrase
    return _failure(
        error.status_code, message, code=HTTP_CODES.get(error.status_code), headers=headers
    )


def _own_fault(error: Exception) -> Failure:
    if isinstance(error, EngineError):
        if isinstance(error, EngineStopped):
            _log.info("a request was cut short: %s", error)
        else:
            _log.error("the engine failed a request: %s", error)
        return _failure(500, str(error), kind="server_error", code="engine_error")
    _log.error("a request failed unexpectedly", exc_info=error)
    message = "The daemon failed on this request; its log says why."
    return _failure(500, message, kind="server_error", code="internal_error")


Headers = tuple[tuple[bytes, bytes], ...]


def edge_headers(document: msgspec.Struct) -> Headers:
    """Return a header for each text or number of `document`; see `field_headers`."""
    return field_headers(msgspec.structs.asdict(document))


def field_headers(fields: Mapping[str, object]) -> Headers:
    """Return a header for each text or number of `fields`: X-Edge-Energy-J for `energy_j`.

    No value can end a header: characters that are not plain ASCII are percent-encoded.
    """
    return tuple(
        [  # a list is filled faster than a generator is read
            (_name(name), _quoted(value) if isinstance(value, str) else msgspec.json.encode(value))
            for name, value in fields.items()
            if isinstance(value, (str, int, float))
        ]
    )


def warning_headers(warnings: Iterable[str]) -> Headers:
    """Return an X-Edge-Warning header for each sentence, percent-encoded where it is not ASCII."""
    return tuple(
        (b"x-edge-warning", quote(text[:_LONGEST], safe=_SENTENCE).encode()) for text in warnings
    )


@lru_cache(maxsize=256)
def _name(field: str) -> bytes:
    return f"x-edge-{field.replace('_', '-')}".encode()


@lru_cache(maxsize=256)  # answers repeat their models, modes and reasons
def _quoted(text: str) -> bytes:
    return quote(text, safe=_PLAIN).encode()


async def send_bytes(send: Send, body: bytes, *, status: int = 200, headers: Headers) -> None:
    """Send a whole response; content-length is added to `headers`."""
    length = (b"content-length", str(len(body)).encode())
    start = {"type": "http.response.start", "status": status, "headers": [*headers, length]}
    await send(start)
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Send, document: object, *, headers: Headers = ()) -> None:
    """Send `document`, anything that msgspec encodes, as JSON."""
    await send_bytes(send, msgspec.json.encode(document), headers=(JSON_TYPE, *headers))


async def send_failure(send: Send, failure: Failure, path: str = "") -> None:
    """Send an error as the whole response, as the API shapes it that has `path`."""
    body = msgspec.json.encode(error_document(failure, path))
    await send_bytes(send, body, status=failure.status, headers=(JSON_TYPE, *failure.headers))


class EventStream:
    """A response of server-sent events, one ASGI message a call."""

    headers: Headers = _EVENTS
    end = b"data: [DONE]\n\n"  # of a stream that did not fail

    def __init__(self, send: Send) -> None:
        self.started = False
        self.written = 0  # messages, the head among them
        self._send = send
        self._encoder = msgspec.json.Encoder()

    async def start(self, headers: Headers = ()) -> None:
        """Send status 200 and the headers, `headers` among them, unless they were sent."""
        if self.started:
            return
        self.started = True
        self.written += 1
        all_of_them = [*self.headers, *headers]
        await self._send({"type": "http.response.start", "status": 200, "headers": all_of_them})

    async def events(self, documents: Sequence[msgspec.Struct]) -> None:
        """Send each document as one `data:` event, all in one message; none sends nothing."""
        if documents:
            await self._write(b"".join(map(self._event, documents)), more=True)

    async def encoded(self, body: bytes, *, more: bool = True) -> None:
        """Send events that are encoded already; the last ones of the stream unless `more`."""
        await self._write(body, more=more)

    async def comment(self) -> None:
        """Send what clients ignore, so that proxies see that the answer is still awaited."""
        await self._write(b": waiting\n\n", more=True)

    async def done(self) -> None:
        """End the stream as those of its API end."""
        await self._write(self.end, more=False)

    async def fail(self, failure: Failure) -> None:
        """End the stream with an error event."""
        await self._write(self._event(self._error(failure)), more=False)

    def _error(self, failure: Failure) -> msgspec.Struct:
        return failure.body

    def _event(self, document: msgspec.Struct) -> bytes:
        return b"data: " + self._encoder.encode(document) + b"\n\n"

    async def _write(self, body: bytes, *, more: bool) -> None:
        self.written += 1
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


class NamedEventStream(EventStream):
    """A response of events with names, their field `type`, as OpenAI's Responses API has them."""

    end = b""  # the last event says that it is the last

    def __init__(self, send: Send, failed: Callable[[Failure], msgspec.Struct]) -> None:
        """`failed` makes the event that tells an error."""
        super().__init__(send)
        self._failed = failed

    @override
    def _error(self, failure: Failure) -> msgspec.Struct:
        return self._failed(failure)

    @override
    def _event(self, document: msgspec.Struct) -> bytes:
        name: str = getattr(document, "type")  # noqa: B009 - no struct has it by itself
        return f"event: {name}\n".encode() + super()._event(document)


class LineStream(EventStream):
    """A response of JSON documents, each on a line of its own, as Ollama streams them."""

    headers = (_LINES, (b"cache-control", b"no-cache"), _UNBUFFERED)
    end = b""  # the last document says that it is the last

    @override
    async def comment(self) -> None:
        """Send nothing: such a stream has no comments."""

    @override
    def _error(self, failure: Failure) -> msgspec.Struct:
        return PlainError.of(failure)

    @override
    def _event(self, document: msgspec.Struct) -> bytes:
        return self._encoder.encode(document) + b"\n"
