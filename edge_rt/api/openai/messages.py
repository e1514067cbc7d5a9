"""Chat messages and tools, from OpenAI's shape to what chat templates read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edge_rt.api.middleware.decode import describe
from edge_rt.api.openai.unsupported import unsupported
from edge_rt.core.errors import RequestError


class Tool(msgspec.Struct, frozen=True):
    """One function that the model may call; its description goes to the template as it came."""

    function: dict[str, Any]
    type: Literal["function"] = "function"


def template_tools(tools: list[Tool] | None, choice: object) -> list[dict[str, object]] | None:
    """The tools as templates read them, None when there are none to tell of.

    Raises RequestError for a tool without a name and for choices that force a call, which cannot
    be guaranteed.
    """
    if choice not in (None, "none", "auto"):
        shown = describe(choice)
        message = f'`tool_choice`: only "none" and "auto" are supported, got {shown}.'
        raise unsupported("tool_choice", message)
    if not tools or choice == "none":
        return None
    return [_tool(tool, f"tools[{i}].function.name") for i, tool in enumerate(tools)]


def _tool(tool: Tool, at: str) -> dict[str, object]:
    if not isinstance(tool.function.get("name"), str):
        message = f"`{at}`: expected string, got {describe(tool.function.get('name'))}."
        raise RequestError(message, param=at, code="invalid_value")
    return {"type": tool.type, "function": tool.function}


MOST = 4096  # messages of a chat, parts of a message, and tools: more than fit into a context
ROLES = ("system", "developer", "user", "assistant", "tool")
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


def template_messages(messages: list[ChatMessage]) -> list[dict[str, object]]:
    """The messages as templates read them; raises RequestError naming the field at fault.

    Content parts are joined by newlines, a developer speaks as the system, and the arguments of
    tool calls become objects, which is what templates print as JSON.
    """
    return [_message(message, f"messages[{i}]") for i, message in enumerate(messages)]


def _message(message: ChatMessage, at: str) -> dict[str, object]:
    if message.role not in ROLES:
        text = f"`{at}.role`: expected one of {', '.join(ROLES)}, got {describe(message.role)}."
        raise RequestError(text, param=f"{at}.role", code="invalid_value")
    role = "system" if message.role == "developer" else message.role
    result: dict[str, object] = {"role": role, "content": _content(message, f"{at}.content")}
    if message.name is not None:
        result["name"] = message.name
    if role == "assistant" and message.tool_calls:
        result["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    if role == "tool" and message.tool_call_id is not None:
        result["tool_call_id"] = message.tool_call_id
    return result


def _content(message: ChatMessage, at: str) -> str:
    if isinstance(message.content, str):
        return message.content
    if message.content is not None:
        return "\n".join(_part(part, f"{at}[{i}]") for i, part in enumerate(message.content))
    if message.role == "assistant" and message.tool_calls:
        return ""  # many templates join it to other text, which null cannot be
    text = f"`{at}` is required; only an assistant's message with tool_calls can do without."
    raise RequestError(text, param=at, code="missing_required_parameter")


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
