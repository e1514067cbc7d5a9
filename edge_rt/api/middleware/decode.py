"""Bodies and queries of requests: read within limits, and to typed values."""

from __future__ import annotations

import asyncio
import re
import types
import typing
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from edge_rt.api.middleware.context import Context, exchange_of
from edge_rt.core.errors import RequestError, closest, invalid, missing

T = TypeVar("T")

_PLACE = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_STRANGE = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_SHOWN = 40  # characters of an offending value that a message repeats
_decoder = lru_cache(maxsize=None)(msgspec.json.Decoder)  # slow to make, and of a few types
_nearest = lru_cache(maxsize=256)(closest)  # clients repeat their mistakes
_DIGITS = re.compile(r"[0-9]{1,9}")
_VALUE = 64  # bytes of memory that a value of JSON takes besides its text, or a little more


def decode(kind: type[T], body: bytes) -> T:
    """Return `body` as a `kind`; raises RequestError whose `param` is the path of the field."""
    decoder: msgspec.json.Decoder[T] = _decoder(kind)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        less = _without_nulls(str(error), body, kind)
        if less is None:
            raise invalid_body(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(str(error)) from None
    except RecursionError:
        raise _malformed("it is nested too deeply") from None
    return decode(kind, less)


def describe(value: object) -> str:
    """Return a short JSON rendering of an offending value, for a message."""
    if isinstance(value, list):
        return f"an array of length {len(value)}"  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, dict):
        return "an object"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def renamed(error: RequestError, names: Mapping[str, str]) -> RequestError:
    """Return the error with fields as another API calls them; `names` leads from ours to those."""
    message = str(error)
    for ours, theirs in names.items():
        message = message.replace(f"`{ours}`", f"`{theirs}`")
    param = None if error.param is None else names.get(error.param, error.param)
    return RequestError(message, param=param, code=error.code)


def _malformed(reason: str) -> RequestError:
    message = f"The request body is not valid JSON: {reason}."
    return RequestError(message, code="invalid_json")


def invalid_body(message: str) -> RequestError:
    """Return msgspec's error with the path that it names as `param`."""
    place = _PLACE.search(message)
    what, path = (message[: place.start()], place["path"]) if place else (message, "")
    if lacking := _MISSING.match(what):
        return missing(f"{path}.{lacking['name']}" if path else lacking["name"])
    if strange := _STRANGE.match(what):
        return unknown_field(path, strange["name"])
    param = path.replace("[...]", "")
    subject = f"`{param}`" if param else "The request body"
    return RequestError(f"{subject}: {what}.", param=param or None, code="invalid_value")


def unknown_field(path: str, name: str) -> RequestError:
    """Return the error for an unknown field of the object at `path`."""
    param = told_path(path, name)
    return RequestError(f"`{param}` is not known here.", param=param, code="unknown_parameter")


def told_path(path: str, name: str) -> str:
    """Return where a field stands that a client named, its name cut if it is long."""
    shown = describe(name)[1:-1]
    return f"{path}.{shown}" if path else shown


def did_you_mean(path: str, name: str, known: Iterable[str]) -> str:
    """Return a sentence with the known field that `name` is most like, or ""."""
    near = _nearest(name[:64], tuple(known))
    return f" Did you mean `{told_path(path, near)}`?" if near else ""


def _without_nulls(message: str, body: bytes, kind: object) -> bytes | None:
    """Return the body without unknown nulls where the error is of an unknown field; None: no such.

    Clients send all fields that they know, also as null, and such a field is a field left out.
    """
    if not _STRANGE.match(message):
        return None
    try:
        root = msgspec.json.decode(body)
        return msgspec.json.encode(root) if _drop_nulls(root, kind) else None
    except (msgspec.MsgspecError, OverflowError, RecursionError):
        return None  # of numbers that Python has and JSON's decoder has not, or the other way round


def _drop_nulls(value: Any, kind: Any) -> int:
    """Drop the unknown nulls of all objects in a value of that kind; return how many there were."""
    if isinstance(value, list):
        return sum(_drop_nulls(one, kind) for one in cast("list[Any]", value))
    fields = _fields(kind)
    if not isinstance(value, dict) or not fields:
        return 0
    held = cast("dict[str, Any]", value)
    nulls = [name for name in held if held[name] is None and name not in fields]
    for name in nulls:
        del held[name]
    return len(nulls) + sum(_drop_nulls(held[name], fields[name]) for name in held.keys() & fields)


@lru_cache(maxsize=256)
def _fields(kind: Any) -> dict[str, Any]:
    """Return the types of the fields that objects of that kind may have; {} for any others."""
    found: dict[str, Any] = {}
    for one in objects(kind):
        found |= typing.get_type_hints(one, include_extras=True)
    return found


def objects(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """Yield the types of the objects that a `kind` is or that are its items.

    `Annotated[dict[str, Any], Kind]` counts as a `Kind`: its fields are those, but it stays a dict.
    """
    if typing.get_origin(kind) in (typing.Union, types.UnionType, list, typing.Annotated):
        for one in typing.get_args(kind):
            yield from objects(one)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`; `default` where the query does not tell."""

    low: int
    high: int
    default: int


def whole_numbers(scope: Scope, **allowed: Whole) -> dict[str, int]:
    """Return the value of each allowed parameter.

    Raises RequestError for any other and for bad values.
    """
    text = scope["query_string"].decode("latin-1")
    given = parse_qsl(text, keep_blank_values=True)
    _check_names([name for name, _ in given], allowed)
    numbers = {name: _number(name, value, allowed[name]) for name, value in given}
    return {name: numbers.get(name, whole.default) for name, whole in allowed.items()}


def _check_names(names: list[str], allowed: dict[str, Whole]) -> None:
    unknown = sorted(set(names) - set(allowed))
    if unknown:
        fits = ", ".join(f"`{name}`" for name in allowed) or "none"
        what = describe(", ".join(unknown))
        message = f"Unknown query parameters: {what}; allowed here: {fits}."
        raise RequestError(message, param=unknown[0], code="unknown_parameter")
    for name in allowed:
        if names.count(name) > 1:
            message = f"`{name}` is given {names.count(name)} times; give it once."
            raise RequestError(message, param=name, code="invalid_value")


def _number(name: str, text: str, whole: Whole) -> int:
    if _DIGITS.fullmatch(text) and whole.low <= int(text) <= whole.high:
        return int(text)
    expected = f"expected a whole number from {whole.low} to {whole.high}"
    raise invalid(name, f"{expected}, got {describe(text)}")


async def read_body(scope: Scope, receive: Receive, *, limit: int, values: bool = True) -> bytes:
    """Return the whole body, at most `limit` bytes; `values`: it is JSON, to be decoded to such.

    Raises HTTPException 415 where it is compressed; 413 before anything is read when
    Content-Length says too much, and as soon as more has come when it does not; Unavailable when
    the bodies of all requests are too many bytes; ClientDisconnect when the client leaves half-way.
    """
    exchange = exchange_of(scope)
    for name, value in scope["headers"]:
        if name == b"content-encoding" and value.lower() != b"identity":
            told = describe(value.decode("latin-1"))
            message = f"Content-Encoding {told} is not decoded here: send the body as is."
            raise HTTPException(415, message, {"accept-encoding": "identity"})
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise _too_large(limit)
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
            # Decoded it takes about as much again, and an object for each value.
            count = sum(map(body.count, (b",", b"[", b"{"))) if values else 0
            exchange.hold(len(body) + _VALUE * count, needed=True)
            return body


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"The request body is larger than the {limit} bytes allowed.")


DocumentT = TypeVar("DocumentT")


async def read_document(
    context: Context, scope: Scope, receive: Receive, kind: type[DocumentT]
) -> DocumentT:
    """Return the body as a `kind`.

    Raises RequestError, also for any query; and what `read_body` raises.
    """
    whole_numbers(scope)
    return decode(kind, await read_body(scope, receive, limit=context.requests.body_bytes))


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
