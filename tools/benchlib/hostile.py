"""Requests whose constraints take minutes or gigabytes where nothing limits them.

They are expensive in many ways: whether patterns can be met together, a state for each remainder,
tens of thousands of words, deep nesting, or a grammar that is cheap until an answer has begun.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Body = dict[str, Any]
_TOKENS = 16  # of an answer: the constraint is what is expensive


def requests(model: str) -> Iterator[tuple[str, Body]]:
    """Yield the path and the body of each, through every field that takes a constraint."""
    chat = {"model": model, "messages": [{"role": "user", "content": "Go on."}]}
    for fields in _fields():
        yield "/v1/chat/completions", {**chat, "max_tokens": _TOKENS, **fields}
    for schema in _schemas():
        options = {"num_predict": _TOKENS}
        yield "/api/chat", {**chat, "stream": False, "format": schema, "options": options}


def _fields() -> Iterator[Body]:
    for schema in _schemas():
        wanted = {"name": "x", "schema": schema}
        yield {"response_format": {"type": "json_schema", "json_schema": wanted}}
        yield {"json_schema": schema}
        tool = {"name": "f", "parameters": {"type": "object", "properties": {"a": schema}}}
        yield {"tools": [{"type": "function", "function": tool}]}
    for text in _grammars():
        yield {"grammar": text}
    for expression in _expressions():
        yield {"edge": {"regex": expression}}
    yield {"edge": {"choice": [f"{i * 7919 % 1000003}" for i in range(20_000)]}}
    yield {"grammar": _late(24)}


def _schemas() -> Iterator[Body]:
    yield {"type": "string", "allOf": [{"pattern": f"^.*a.{{{i}}}$"} for i in range(1, 41)]}
    yield {"type": "string", "allOf": [{"pattern": f"^.*a.{{{i}}}$"} for i in range(9, 31)]}
    yield {"type": "integer", "multipleOf": 999_983}
    yield {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(10_000)}}
    yield {"enum": [f"value {i} {i * 7919 % 104_729}" for i in range(20_000)]}
    yield {"type": "array", "items": {"type": "string"}, "minItems": 100_000}
    yield {"type": "string", "pattern": r"^(\p{L}\p{N}){1,500}$", "maxLength": 9999}
    yield _nested(400)
    inner = {f"d{i}": _pair(f"#/$defs/d{i + 1}") for i in range(60)}
    yield {"$defs": {**inner, "d60": {"type": "null"}}, "$ref": "#/$defs/d0"}


def _pair(target: str) -> Body:
    return {"type": "object", "properties": {name: {"$ref": target} for name in ("a", "b")}}


def _nested(depth: int) -> Body:
    schema: Body = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def _grammars() -> Iterator[str]:
    yield 'start: a\na: a a | "x" | a a a | ""\n'
    yield 'root ::= ("a" | "b"){1,100000}\n'
    rules = [f'r{i}: "{i}" r{i * 7 % 5000}?' for i in range(5000)]
    yield "\n".join([f"start: {' | '.join(f'r{i}' for i in range(5000))}", *rules])
    yield f"start: T\nT: {' & '.join(f'/(?s:.*a.{{{i}}})/' for i in range(1, 15))}\n"


def _expressions() -> Iterator[str]:
    yield "a{1,100000}"
    yield "((a{1,100}){1,100}){1,100}"
    yield "(.*a.{1,30}){20}b(.*c.{30}){20}"
    yield "|".join(f"(.*{chr(97 + i % 26)}.{{{i}}}x)" for i in range(60))


def _late(patterns: int) -> str:
    """Return what is cheap until an answer has begun, and then is not."""
    return f"start: T\nT: {' & '.join(f'/(?s:x*q|.*a.{{{i}}})/' for i in range(1, patterns))}\n"
