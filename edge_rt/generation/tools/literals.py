"""Grammars of arguments that are not written as JSON: as in Python, or with marks of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from edge_rt.core.chat_format import CallFormat
from edge_rt.models.answers.parts import kinds_of

_DEEPEST = 16  # levels of objects and lists that have their schema's form; below, any value fits
_ANY = "any_value"
_SCALARS = {
    "integer": "INTEGER",
    "number": "NUMBER",
    "boolean": "BOOLEAN",
    "null": "NULL",
    "string": "any_text",
}


_SHARED = (
    "COMMA: /,[ ]?/",
    "INTEGER: /-?(0|[1-9][0-9]*)/",
    r"NUMBER: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/",
    'any_list: "[" (any_value (COMMA any_value)*)? "]"',
    'any_object: "{" (any_pair (COMMA any_pair)*)? "}"',
    'any_pair: any_key ":" [" "] any_value',
    f"{_ANY}: any_text | NUMBER | BOOLEAN | NULL | any_list | any_object",
)
_NO_KEY = r",:{}\[\]()<>\"'|"  # what no key without quotes holds here
_OWN = (
    'BOOLEAN: "true" | "false"',
    'NULL: "null" | "None"',
    rf"any_key: /[^\s{_NO_KEY}]([^\n{_NO_KEY}]{{0,62}}[^\s{_NO_KEY}])?/",
)
_PYTHON = (
    'BOOLEAN: "True" | "False"',
    'NULL: "None"',
    r"""any_text: /"([^"\\\n]|\\["'\\nt])*"|'([^'\\\n]|\\["'\\nt])*'/""",
    "any_key: any_text",
)


class LiteralRules:
    """Rules for the arguments of tools in one format.

    Of schemas they keep types, properties and choices of texts.
    """

    def __init__(self, format: CallFormat, up_to: Callable[[str, str], Iterator[str]]) -> None:
        """`up_to` makes the rule of a name: any text with the first end behind it."""
        self._format, self._up_to = format, up_to
        self._rules: list[str] = []

    def shared(self) -> Iterator[str]:
        """Yield the rules of values that may be anything."""
        quote = self._format.quote
        yield from _OWN if quote else _PYTHON
        yield from _SHARED
        if quote:
            yield from self._up_to("quoted", quote)
            yield f"any_text: {_quoted(quote)} quoted"

    def arguments(self, name: str, schema: Mapping[str, Any]) -> list[str]:
        """Return the rule `name` of the arguments by a tool's schema, with those that it needs."""
        begin, end = self._format.brackets
        self._rules = []
        pairs = self._pairs(name, schema, self._format.equals, 0, bare=True)
        return [f"{name}: {_quoted(begin)} {pairs} {_quoted(end)}", *self._rules]

    def _pairs(
        self, name: str, schema: Mapping[str, Any], equals: str, depth: int, *, bare: bool
    ) -> str:
        """Return the rule of properties in their order, with what stands between them."""
        properties = cast("dict[str, Any]", schema.get("properties") or {})
        needed = frozenset(map(str, schema.get("required") or ()))
        rule = f"{name}_end"
        self._rules.append(f'{rule}: ""')
        first = f"{name}_none"
        self._rules.append(f'{first}: ""')
        for i, (key, kind) in reversed([*enumerate(properties.items())]):
            value = self._value(f"{name}_{i}", kind, depth + 1)
            pair = f"{_quoted(self._key(key, bare=bare) + equals)} {value}"
            skip = () if key in needed else (rule, first)
            more = [f"COMMA {pair} {rule}", *skip[:1]]
            begin = [f"{pair} {rule}", *skip[1:]]
            rule, first = f"{name}_more_{i}", f"{name}_from_{i}"
            self._rules += [f"{rule}: {' | '.join(more)}", f"{first}: {' | '.join(begin)}"]
        return first

    def _key(self, key: str, *, bare: bool) -> str:
        return key if bare or self._format.quote else _quoted(key)

    def _value(self, name: str, kind: object, depth: int) -> str:
        """Return what a value by a schema may be: a rule's name, or an expression in brackets."""
        schema = cast("dict[str, Any]", kind) if isinstance(kind, dict) else {}
        given: object = schema.get("enum")
        words = cast("list[object]", given) if isinstance(given, list) else []
        if words and all(isinstance(word, str) for word in words):
            return f"({' | '.join(self._text(str(word)) for word in words)})"
        kinds = kinds_of(schema)
        if not kinds or depth > _DEEPEST or not kinds <= {*_SCALARS, "array", "object"}:
            return _ANY
        ways = [self._of_type(name, one, schema, depth) for one in sorted(kinds)]
        return f"({' | '.join(ways)})"

    def _of_type(self, name: str, kind: str, schema: Mapping[str, Any], depth: int) -> str:
        if kind in _SCALARS:
            return _SCALARS[kind]
        if kind == "array":
            item = self._value(f"{name}_item", schema.get("items"), depth + 1)
            self._rules.append(f'{name}_list: "[" ({item} (COMMA {item})*)? "]"')
            return f"{name}_list"
        if not schema.get("properties"):
            return "any_object"
        space = "" if self._format.quote else " "
        pairs = self._pairs(f"{name}_object", schema, f":{space}", depth, bare=False)
        self._rules.append(f'{name}_object: "{{" {pairs} "}}"')
        return f"{name}_object"

    def _text(self, text: str) -> str:
        quote = self._format.quote
        written = f"{quote}{text}{quote}" if quote else _quoted(text)
        return _quoted(written)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
