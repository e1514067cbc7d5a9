"""The place in a JSON Schema that cannot be compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

_ONE = (  # keywords whose value is a schema
    *("additionalItems", "additionalProperties", "contains", "else", "if", "items", "not"),
    *("propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"),
)
_MANY = ("allOf", "anyOf", "items", "oneOf", "prefixItems")  # a list of schemas
_NAMED = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
_SHARED = ("$defs", "definitions", "$schema", "$id")  # of the whole schema, for references
_MOST = 400  # schemas that are tried

Fields = dict[str, Any]
Check = Callable[[Any], str]
"""Tells what is wrong with a schema; "": nothing."""


class Fault(NamedTuple):
    """The keyword at fault, None: no single one; the JSON Pointer (RFC 6901) to it; and why."""

    place: str
    keyword: str | None
    why: str


def find_fault(schema: Any, check: Check) -> Fault | None:
    """Look for the innermost part of a schema that `check` complains of, and in that for the
    keyword at fault. None: nothing is wrong, or nothing was found.
    """
    return _Search(schema, check).find()


class _Search:
    def __init__(self, schema: Any, check: Check) -> None:
        self._schema, self._check, self._left = schema, check, _MOST
        self._followed: set[str] = set()

    def find(self, place: str = "") -> Fault | None:
        """Search in the part at `place`, and in what is referred to from there."""
        part = _at(self._schema, place)
        why = self._why(part)
        while why:
            inner = next(self._faulty(part), None)
            if inner is None:
                fault = self._keyword(place, _fields(part), why)
                return self._behind(fault, _fields(part)) or fault
            step, part, why = inner
            place += step
        return None

    def _behind(self, fault: Fault, part: Fields) -> Fault | None:
        """Where a reference is at fault, what is wrong with its target."""
        target = part.get("$ref") if fault.keyword == "$ref" else None
        if not isinstance(target, str) or not target.startswith("#/") or target in self._followed:
            return None
        self._followed.add(target)
        return self.find(target[1:])

    def _faulty(self, part: Any) -> Iterator[tuple[str, Any, str]]:
        for step, inner in parts(part):
            if why := self._why(inner):
                yield step, inner, why

    def _keyword(self, place: str, part: Fields, why: str) -> Fault:
        names = [name for name in part if name not in _SHARED]
        for name in names:
            if not self._why({key: value for key, value in part.items() if key != name}):
                return Fault(f"{place}/{_escaped(name)}", name, why)
        for name in names:  # several are at fault: the first that is so by itself
            if self._why({name: part[name]}):
                return Fault(f"{place}/{_escaped(name)}", name, why)
        return Fault(place, None, why)

    def _why(self, part: Any) -> str:
        if self._left == 0:
            return ""
        self._left -= 1
        if isinstance(part, dict):
            whole = _fields(self._schema)
            part = {name: whole[name] for name in _SHARED if name in whole} | _fields(part)
        return self._check(part).partition("\n")[0]


def parts(schema: Any) -> Iterator[tuple[str, Any]]:
    """The schemas right inside a schema, with the way to them as the end of a JSON Pointer."""
    # References lead to the shared ones, which are to be blamed themselves.
    for name, value in sorted(_fields(schema).items(), key=lambda item: item[0] not in _SHARED):
        if name in _NAMED:
            yield from ((f"/{name}/{_escaped(key)}", one) for key, one in _fields(value).items())
        elif name in _MANY and isinstance(value, list):
            inner = cast(list[Any], value)
            yield from ((f"/{name}/{index}", one) for index, one in enumerate(inner))
        elif name in _ONE and isinstance(value, dict):
            yield f"/{name}", value


def _fields(value: Any) -> Fields:
    return cast(Fields, value) if isinstance(value, dict) else {}


def _at(schema: Any, place: str) -> Any:
    """The part at a JSON Pointer; {} where there is none."""
    for step in place.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        found = _fields(schema).get(key, {})
        if isinstance(schema, list) and key.isdigit():
            found = dict(enumerate(cast(list[Any], schema))).get(int(key), {})
        schema = found
    return schema


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
