"""What a field takes that takes one of a few values, and the names of an object's fields.

msgspec's errors tell neither.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Union

import msgspec


@lru_cache(maxsize=64)
def choices(kind: object, path: tuple[str, ...]) -> str | None:
    """Return in words what may stand at `path` of a `kind`; None where no value is fixed."""
    found = [*_at(kind, path)]
    if not any(typing.get_origin(one) is Literal for one in found):
        return None
    words = list(dict.fromkeys(word for one in found for word in _words(one)))
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


@lru_cache(maxsize=64)
def names(kind: object, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the fields of the objects that may stand at `path` of a `kind`."""
    return tuple(
        name
        for one in _at(kind, path)
        if isinstance(one, type) and issubclass(one, msgspec.Struct)
        for name in one.__struct_encode_fields__
    )


def objects(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """The types of the objects that a `kind` is or that are its items.

    `Annotated[dict[str, Any], Kind]` counts as a `Kind`: its fields are those, but it stays a dict.
    """
    if typing.get_origin(kind) in (Union, types.UnionType, list, Annotated):
        for one in typing.get_args(kind):
            yield from objects(one)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind


def _at(kind: Any, path: Sequence[str]) -> Iterator[Any]:
    """The types that may stand at `path`, each by itself."""
    origin = typing.get_origin(kind)
    if origin in (Union, types.UnionType):
        for one in typing.get_args(kind):
            yield from _at(one, path)
    elif not path:
        yield kind
    elif origin is list:
        yield from _at(typing.get_args(kind)[0], path[1:])
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        field = typing.get_type_hints(kind).get(path[0])
        if field is not None:
            yield from _at(field, path[1:])


def _words(kind: Any) -> Iterator[str]:
    if typing.get_origin(kind) is Literal:
        yield from (msgspec.json.encode(value).decode() for value in typing.get_args(kind))
    elif kind is bool:
        yield from ("true", "false")
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield "an object"
