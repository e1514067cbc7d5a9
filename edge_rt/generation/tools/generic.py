"""Tools for models whose chat template knows none, in words and in the messages' text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from edge_rt.core.chat_format import CallFormat

_TOLD = """\
You may call functions to help with the user's request. Their signatures:
<tools>
{tools}
</tools>
To call a function, answer with a JSON object of its name and arguments between tags, and nothing \
else:
<tool_call>
{{"name": "NAME", "arguments": {{"KEY": "VALUE"}}}}
</tool_call>"""

Messages = list[dict[str, Any]]


def written_for(
    format: CallFormat, messages: Messages, tools: list[dict[str, Any]] | None
) -> tuple[Messages, list[dict[str, Any]] | None]:
    """Messages and tools as the template of a model with that format takes them."""
    if format.source == "generic":
        return _in_words(format, messages, tools), None
    if format.arguments_as_text:
        return [_with_text(message) for message in messages], tools
    return messages, tools


def _in_words(
    format: CallFormat, messages: Messages, tools: list[dict[str, Any]] | None
) -> Messages:
    told = [_plain(format, message) for message in messages]
    if not tools:
        return told
    functions = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    words = _TOLD.format(tools=functions)
    if told and told[0]["role"] == "system":
        first = {**told[0], "content": f"{told[0]['content']}\n\n{words}"}
        return [first, *told[1:]]
    return [{"role": "system", "content": words}, *told]


def _plain(format: CallFormat, message: dict[str, Any]) -> dict[str, Any]:
    """A message of a role and a text, which every template knows."""
    if message["role"] == "tool":
        result = f"<tool_response>\n{message['content']}\n</tool_response>"
        return {"role": "user", "content": result}
    calls = message.get("tool_calls")
    if not calls:
        return message
    said = [message["content"]] if message["content"] else []
    said += [_written(format, call["function"]) for call in calls]
    return {"role": "assistant", "content": "\n".join(said)}


def _written(format: CallFormat, function: dict[str, Any]) -> str:
    arguments = _text_of(function["arguments"])
    return f"{format.before}{function['name']}{format.between}{arguments}{format.after}"


def _with_text(message: dict[str, Any]) -> dict[str, Any]:
    calls = cast("Sequence[dict[str, Any]]", message.get("tool_calls") or ())
    if not calls:
        return message
    functions = [call["function"] for call in calls]
    texts = [{**one, "arguments": _text_of(one["arguments"])} for one in functions]
    made = [{**call, "function": one} for call, one in zip(calls, texts, strict=True)]
    return {**message, "tool_calls": made}


def _text_of(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
