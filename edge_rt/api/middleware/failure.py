"""Every error as OpenAI's clients expect to read it."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus

import msgspec
from starlette.exceptions import HTTPException

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


def explain(error: Exception) -> Failure:
    """The status, document and headers for `error`; logs those that are the daemon's own fault."""
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
    """The Retry-After header: whole seconds, at least 1."""
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
