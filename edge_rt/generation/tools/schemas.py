"""Schemas of objects, closed to properties that they do not name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

_NAMED = ("properties", "$defs", "definitions")  # keywords with schemas by their names
_PLAIN = frozenset(  # keywords beside which no other argument can be needed
    (
        *("type", "properties", "required", "title", "description", "$schema", "$id"),
        *("$defs", "definitions", "default", "examples"),
    )
)


def without_others(schema: dict[str, Any]) -> dict[str, Any]:
    """Return `schema` without room for properties that it does not name.

    The grammars of llama.cpp, Ollama and vLLM have none, and small models fill whatever room there
    is, to the last token. An object that says something of further properties stays as it is, and
    so does a schema in which `allOf` puts objects together.
    """
    try:
        return schema if b'"allOf"' in msgspec.json.encode(schema) else _closed(schema)
    except RecursionError:  # which is told where the constraint is made
        return schema


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    told = dict(schema)
    for name in _NAMED:
        if isinstance(inner := told.get(name), dict):
            told[name] = {
                key: _inside(one) for key, one in cast("Mapping[str, Any]", inner).items()
            }
    if "items" in told:
        told["items"] = _inside(told["items"])
    if "properties" not in told and isinstance(told.get("anyOf"), list):
        told["anyOf"] = [_inside(one) for one in told["anyOf"]]
    return closed(told) if "properties" in told and told.get("type") == "object" else told


def _inside(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    return _closed(cast("dict[str, Any]", schema))


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object without room for properties that it does not name or need."""
    told: dict[str, Any] = {"type": "object", **(schema or {"properties": {}})}
    named: object = told.get("properties")
    needed: object = told.get("required") or []
    if not isinstance(named, dict) or not isinstance(needed, list):
        return told  # compiling the constraint reports its faults
    names = [*cast("dict[str, Any]", named)]
    if _PLAIN.issuperset(told) and all(one in names for one in cast("list[object]", needed)):
        told["additionalProperties"] = False
    return told
