"""Parts of the readers of calls: events, values, the ends of JSON, and schemas of arguments."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec

SPACE = " \t\r\n"
"""Characters around markers that belong to no part."""

Tools = Mapping[str, Mapping[str, Any]]
"""The JSON schemas of tools' arguments, by the tools' names."""


class Content(NamedTuple):
    """New text of the answer itself."""

    text: str


class Thought(NamedTuple):
    """New text of what the model thinks before it answers."""

    text: str


class MadeCall(NamedTuple):
    """A complete call; `arguments` are a JSON object as text."""

    name: str
    arguments: str


Part = Content | Thought | MadeCall


class Step(NamedTuple):
    """Progress of a reader of calls: `used` characters of its text need not be read again.

    With `more` it is to be asked again, without it the calls have ended.
    """

    used: int = 0
    call: MadeCall | None = None
    more: bool = True


WAIT = Step()  # for more text
END = Step(more=False)


class JsonSpan:
    """Follows one object from its "{" on; the text may be malformed, only brackets count."""

    def __init__(self) -> None:
        self.fence = False  # whether it holds a backtick outside of strings, as no JSON does
        self._at = self._depth = 0
        self._end: int | None = None
        self._quoted = self._escaped = False

    def end(self, text: str) -> int | None:
        """The end of the object that `text` begins with; None while it is not complete.

        `text` is that of the last call and what has come since.
        """
        while self._end is None and self._at < len(text):
            self._step(text[self._at])
            self._at += 1
            if self._depth == 0:
                self._end = self._at
        return self._end

    def _step(self, char: str) -> None:
        if self._quoted:
            if self._escaped or char == "\\":
                self._escaped = not self._escaped
            elif char == '"':
                self._quoted = False
        elif char == '"':
            self._quoted = True
        elif char in "{[":
            self._depth += 1
        elif char in "}]":
            self._depth -= 1
        elif char == "`":
            self.fence = True


_WORDS = {"True": True, "False": False, "None": None}  # as templates in Python print them
_HALF = re.compile("[\ud800-\udfff]")  # of a pair that an escape wrote; no UTF-8 has it


def argument(text: str, schema: object) -> object:
    """The value of an argument that is written without quotes; `schema` None: nobody said."""
    kinds = kinds_of(schema)
    if kinds is not None and "string" in kinds:
        return None if text == "null" and "null" in kinds else text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _WORDS.get(text.strip(), text)


def kinds_of(schema: object) -> set[str] | None:
    """The names of the types that a schema allows; None where it does not tell."""
    if not isinstance(schema, dict):
        return None
    told = cast("dict[str, Any]", schema)
    if isinstance(told.get("enum"), list):
        values = cast("list[object]", told["enum"])
        return {"string" if isinstance(value, str) else "other" for value in values}
    kind = told.get("type")
    if isinstance(kind, str):
        return {kind}
    if isinstance(kind, list):
        return {str(one) for one in cast("list[object]", kind)}
    choices = [told[name] for name in ("anyOf", "oneOf") if isinstance(told.get(name), list)]
    found = [kinds_of(one) for listed in choices for one in listed]
    return set[str]().union(*(kinds for kinds in found if kinds)) if found else None


def called(text: str, name_key: str, arguments_keys: tuple[str, ...]) -> tuple[str, str] | None:
    """Name and arguments of the call that a JSON object is; None where it is none."""
    document = _object(text)
    if document is not None and isinstance(document.get("function"), dict):
        document = cast("dict[str, Any]", document["function"])
    if document is None or not isinstance(document.get(name_key), str):
        return None
    found = [document[key] for key in arguments_keys if key in document]
    arguments = arguments_text(found[0] if found else None)
    return None if arguments is None else (_HALF.sub("\ufffd", document[name_key]), arguments)


def arguments_text(found: object) -> str | None:
    """Arguments as a JSON object in a text; None where they are none."""
    if isinstance(found, str):  # some models write the object as a string
        found = _object(found)
    if found is None:
        found = dict[str, object]()
    if not isinstance(found, dict):
        return None
    told = cast("Mapping[str, object]", found)
    try:
        text = json.dumps(told, ensure_ascii=False, allow_nan=False)
    except ValueError:  # NaN and Infinity, which Python reads, are no JSON
        return None
    return _HALF.sub("\ufffd", text)


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text, strict=False)  # some models write line ends into strings
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


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
    """The schema of an object, without room for properties that it does not name or need."""
    told: dict[str, Any] = {"type": "object", **(schema or {"properties": {}})}
    named: object = told.get("properties")
    needed: object = told.get("required") or []
    if not isinstance(named, dict) or not isinstance(needed, list):
        return told  # compiling the constraint reports its faults
    names = [*cast("dict[str, Any]", named)]
    if _PLAIN.issuperset(told) and all(one in names for one in cast("list[object]", needed)):
        told["additionalProperties"] = False
    return told
