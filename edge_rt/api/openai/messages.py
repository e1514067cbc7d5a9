"""Chat messages, from OpenAI's shape to what chat templates read."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edge_rt.api.middleware.decode import describe
from edge_rt.core.errors import RequestError

MOST = 4096  # messages of a chat, parts of a message, and tools: more than fit into a context
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_MEDIA = {
    "image_url": "see images",
    "input_image": "see images",
    "input_audio": "hear audio",
    "file": "read files",
}


class Part(msgspec.Struct, frozen=True):
    """One part of a message's content; the type says which of the fields holds it."""

    type: str
    text: str | None = None
    refusal: str | None = None


class FunctionCall(msgspec.Struct, frozen=True):
    """The function that the assistant called; OpenAI's `arguments` are JSON in a string."""

    name: str
    arguments: str | dict[str, Any] = "{}"


class ToolCall(msgspec.Struct, frozen=True):
    """One call of a tool by the assistant."""

    function: FunctionCall
    id: str | None = None
    type: str = "function"


class ChatMessage(msgspec.Struct, frozen=True):
    """One message as clients send it."""

    role: str
    content: str | Annotated[list[Part], Meta(max_length=MOST)] | None = None
    name: str | None = None
    tool_calls: Annotated[list[ToolCall], Meta(max_length=MOST)] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None
    refusal: str | None = None
    reasoning_content: str | None = None


def template_messages(messages: list[ChatMessage]) -> list[dict[str, object]]:
    """The messages as templates read them; raises RequestError naming the field at fault.

    Content parts are joined by newlines, a developer speaks as the system, a function as a tool,
    and the arguments of tool calls become objects, which is what templates print as JSON.
    """
    return [_message(message, f"messages[{i}]") for i, message in enumerate(messages)]


def _message(message: ChatMessage, at: str) -> dict[str, object]:
    if message.role not in ROLES:
        text = f"`{at}.role`: expected one of {', '.join(ROLES)}, got {describe(message.role)}."
        raise RequestError(text, param=f"{at}.role", code="invalid_value")
    if message.role == "function" and not message.name:
        text = f"`{at}.name` is required: it is that of the function."
        raise RequestError(text, param=f"{at}.name", code="missing_required_parameter")
    role = {"developer": "system", "function": "tool"}.get(message.role, message.role)
    result: dict[str, object] = {"role": role, "content": _content(message, f"{at}.content")}
    if message.name is not None:
        result["name"] = message.name
    if role == "assistant":
        result |= _made(message)
    if role == "tool" and message.tool_call_id is not None:
        result["tool_call_id"] = message.tool_call_id
    return result


def _made(message: ChatMessage) -> dict[str, object]:
    """What an assistant's message holds besides content."""
    calls = list(message.tool_calls or ())
    if message.function_call is not None:
        calls.append(ToolCall(message.function_call))
    made: dict[str, object] = {}
    if calls:
        made["tool_calls"] = [_tool_call(call) for call in calls]
    if message.reasoning_content:
        made["reasoning_content"] = message.reasoning_content
    return made


def _content(message: ChatMessage, at: str) -> str:
    """The text of a message; what the assistant refused with follows it in a line of its own."""
    text = message.content
    if isinstance(text, list):
        text = "\n".join(_part(part, f"{at}[{i}]") for i, part in enumerate(text))
    if message.role == "assistant" and message.refusal:
        return "\n".join(filter(None, (text, message.refusal)))
    if text is None and not _may_be_empty(message):
        words = (
            f"`{at}` is required; only a function's message, and an assistant's with tool_calls, "
            "refusal or reasoning_content, can do without."
        )
        raise RequestError(words, param=at, code="missing_required_parameter")
    return text or ""  # many templates join it to other text, which null cannot be


def _may_be_empty(message: ChatMessage) -> bool:
    said = message.tool_calls or message.function_call or message.reasoning_content
    refused = message.refusal is not None
    return message.role == "function" or (message.role == "assistant" and (bool(said) or refused))


def _part(part: Part, at: str) -> str:
    if part.type in _MEDIA:
        text = f"`{at}`: this model cannot {_MEDIA[part.type]}; send text only."
        raise RequestError(text, param=at, code="unsupported_content")
    if part.type not in ("text", "refusal"):
        text = f'`{at}.type`: expected "text", got {describe(part.type)}.'
        raise RequestError(text, param=f"{at}.type", code="invalid_value")
    content = part.text if part.type == "text" else part.refusal
    if content is None:
        param = f"{at}.{part.type}"
        raise RequestError(
            f"`{param}` is required.", param=param, code="missing_required_parameter"
        )
    return content


def _tool_call(call: ToolCall) -> dict[str, object]:
    function = {"name": call.function.name, "arguments": _arguments(call.function.arguments)}
    result: dict[str, object] = {"type": call.type, "function": function}
    return result if call.id is None else {"id": call.id, **result}


def _arguments(arguments: str | dict[str, Any]) -> str | dict[str, Any]:
    """The object that `arguments` spell; the string itself when a model wrote no valid JSON."""
    if isinstance(arguments, dict):
        return arguments
    try:
        return msgspec.json.decode(arguments, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return arguments


def last_said(messages: list[ChatMessage]) -> str:
    """The text of the last message of the user; "" without any."""
    content = next((m.content for m in reversed(messages) if m.role == "user"), None)
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part.text for part in content if part.text is not None)
