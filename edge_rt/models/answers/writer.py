"""Calls as a model with some format writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import cast

from edge_rt.core.chat_format import NUMBER, CallFormat

_KINDS: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


Arguments = Mapping[str, object] | str  # a text: as a model wrote them, and not well


def write_calls(format: CallFormat, calls: Iterable[tuple[str, Arguments]]) -> str:
    """Return an answer that is these calls, each a name with arguments."""
    texts: list[str] = []
    for number, (name, arguments) in enumerate(calls):
        inner = _arguments(format, arguments)
        text = f"{format.before}{name}{format.between}{inner}{format.after}"
        texts.append(text.replace(NUMBER, str(number)))
    separator = "\n" if format.separator is None else format.separator
    return f"{format.begin}{separator.join(texts)}{format.end}"


def _arguments(format: CallFormat, arguments: Arguments) -> str:
    if isinstance(arguments, str):
        return arguments
    if format.style == "literal":
        begin, end = format.brackets
        pairs = (f"{k}{format.equals}{_value(format, v)}" for k, v in arguments.items())
        return f"{begin}{format.comma.join(pairs)}{end}"
    if format.style == "tagged":
        return "".join(_pair(format, key, value) for key, value in arguments.items())
    return json.dumps(arguments, ensure_ascii=False)


def _pair(format: CallFormat, key: str, value: object) -> str:
    middle = format.key_ends.get(_KINDS[type(value)], format.key_end)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{format.key_begin}{key}{middle}{text}{format.value_end}"


def _value(format: CallFormat, value: object) -> str:
    quote = format.quote
    if isinstance(value, str):
        return f"{quote}{value}{quote}" if quote else json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        items = cast("Mapping[str, object]", value).items()
        pairs = (f"{key if quote else json.dumps(key)}: {_value(format, v)}" for key, v in items)
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(_value(format, one) for one in cast('list[object]', value))}]"
    return json.dumps(value) if quote else repr(value)
