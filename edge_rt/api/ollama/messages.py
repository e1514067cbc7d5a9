"""Messages of /api/chat, from Ollama's shape to the one that chat templates read."""

from __future__ import annotations

from collections import deque
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edge_rt.api.openai.messages import MOST, ChatMessage, FunctionCall, ToolCall
from edge_rt.core.errors import RequestError


class OllamaCall(msgspec.Struct, frozen=True):
    """One call of a tool by the assistant; `arguments` are an object."""

    function: FunctionCall
    id: str | None = None


class OllamaMessage(msgspec.Struct, frozen=True):
    """One message as clients of Ollama send it."""

    role: str
    """`system`, `user`, `assistant` or `tool`."""
    content: str | None = None
    """The text."""
    thinking: str | None = None
    """What the assistant thought before it answered."""
    images: list[Any] | None = None
    """Refused: no model here sees images."""
    tool_calls: Annotated[list[OllamaCall], Meta(max_length=MOST)] | None = None
    """The calls that the assistant made."""
    tool_name: str | None = None
    """Of a tool's result, the tool; default: results answer the calls in their order."""
    tool_call_id: str | None = None
    """Of a tool's result, the id of the call."""


def refuse_images(images: list[Any] | None, at: str) -> None:
    """Raise RequestError where there are images."""
    if images:
        message = f"`{at}`: this model cannot see images; send text only."
        raise RequestError(message, param=at, code="unsupported_content")


class _Open(msgspec.Struct, frozen=True):
    """A call whose result has not come yet."""

    id: str
    name: str


def chat_messages(messages: list[OllamaMessage]) -> list[ChatMessage]:
    """The messages in the shape of a chat completion; raises RequestError for images.

    Calls get ids, and a result without id and name is that of the first call without one.
    """
    waiting: deque[_Open] = deque()
    made: list[ChatMessage] = []
    for place, message in enumerate(messages):
        refuse_images(message.images, f"messages[{place}].images")
        if message.role == "tool":
            made.append(_result(message, waiting))
            continue
        calls = [
            ToolCall(call.function, call.id or f"call{place:02d}{index:03d}"[:9])
            for index, call in enumerate(message.tool_calls or ())
        ]
        waiting.extend(_Open(call.id or "", call.function.name) for call in calls)
        made.append(
            ChatMessage(
                message.role,
                message.content or "",
                tool_calls=calls or None,
                reasoning_content=message.thinking,
            )
        )
    return made


def _result(message: OllamaMessage, waiting: deque[_Open]) -> ChatMessage:
    """The result of a tool with the id and name of its call, which then waits no more."""
    for call in waiting:
        by_id = message.tool_call_id in (None, call.id)
        if by_id and message.tool_name in (None, call.name):
            waiting.remove(call)
            return ChatMessage("tool", message.content or "", name=call.name, tool_call_id=call.id)
    return ChatMessage(
        "tool", message.content or "", name=message.tool_name, tool_call_id=message.tool_call_id
    )
