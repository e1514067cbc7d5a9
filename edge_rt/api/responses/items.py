"""The items of a response's `input`, from their shape to the messages of a chat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from edge_rt.api.middleware.decode import describe
from edge_rt.api.openai.messages import (
    MOST,
    ChatMessage,
    Content,
    FunctionCall,
    Part,
    ToolCall,
    joined,
    placed,
)
from edge_rt.core.errors import invalid, missing

T = TypeVar("T")

_ROLES = ("user", "assistant", "system", "developer")
_TEXTS = ("input_text", "output_text", "text", "reasoning_text", "summary_text")
_WANTED = _TEXTS, "input_text or output_text"


class InputItem(msgspec.Struct, frozen=True):
    """One item of a conversation; the type says which of the fields it has."""

    type: str | None = None
    """`message`, which is the default, `function_call`, `function_call_output` or `reasoning`."""
    role: str | None = None
    """Of a message: `user`, `assistant`, `system` or `developer`."""
    content: Content | None = None
    """Of a message or of thoughts, the text."""
    call_id: str | None = None
    """Of a call and of its output."""
    name: str | None = None
    """Of a call, the function."""
    arguments: str | None = None
    """Of a call, JSON in a string."""
    output: Content | None = None
    """What the function gave back."""
    summary: Annotated[list[Part], Meta(max_length=MOST)] | None = None
    """Of thoughts without content, their text."""
    encrypted_content: str | None = None
    """Of thoughts; not readable here."""

    @property
    def unreadable(self) -> bool:
        """Whether these are thoughts whose text is not there."""
        return bool(self.encrypted_content) and not self.content and not self.summary


@dataclass
class _Turn:
    """What the assistant did at one go: templates read it as one message."""

    thoughts: list[str] = field(default_factory=list[str])
    texts: list[str] = field(default_factory=list[str])
    calls: list[ToolCall] = field(default_factory=list[ToolCall])

    def message(self) -> ChatMessage:
        return ChatMessage(
            "assistant",
            "\n".join(self.texts),
            tool_calls=self.calls or None,
            reasoning_content="\n".join(self.thoughts) or None,
        )


def item_messages(items: Sequence[InputItem]) -> list[ChatMessage]:
    """Return the messages that `items` are; raises RequestError naming the one at fault."""
    reader = _Reader()
    for place, item in enumerate(items):
        reader.take(item, f"input[{place}]")
    return reader.finish()


class _Reader:
    def __init__(self) -> None:
        self._made: list[ChatMessage] = []
        self._turn: _Turn | None = None
        self._names: dict[str, str] = {}  # of functions, by the ids of their calls

    def take(self, item: InputItem, at: str) -> None:
        kind = item.type or "message"
        if kind == "message":
            self._message(item, at)
        elif kind == "function_call":
            self._call(item, at)
        elif kind == "function_call_output":
            self._output(item, at)
        elif kind == "reasoning":
            said = item.content if item.content else item.summary
            texts = _text(said or "", f"{at}.{'content' if item.content else 'summary'}")
            self._begun(fresh=True).thoughts += [texts] if texts else []
        elif kind == "item_reference":
            raise invalid(f"{at}.type", "answers are not kept here: send the item itself")
        else:
            known = "message, function_call, function_call_output or reasoning"
            raise invalid(f"{at}.type", f"expected {known}, got {describe(kind)}")

    def finish(self) -> list[ChatMessage]:
        self._end()
        return self._made

    def _begun(self, *, fresh: bool) -> _Turn:
        """Return the assistant's turn; with `fresh`, another one if it has text or calls."""
        if self._turn is not None and fresh and (self._turn.texts or self._turn.calls):
            self._end()
        self._turn = self._turn or _Turn()
        return self._turn

    def _end(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None and (turn.thoughts or turn.texts or turn.calls):
            self._made.append(turn.message())

    def _message(self, item: InputItem, at: str) -> None:
        role = _needed(item.role, f"{at}.role")
        if role not in _ROLES:
            what = f"expected one of {', '.join(_ROLES)}, got {describe(role)}"
            raise invalid(f"{at}.role", what)
        content = _needed(item.content, f"{at}.content")
        if role == "assistant":
            self._begun(fresh=True).texts.append(_text(content, f"{at}.content"))
            return
        self._end()
        self._made.append(ChatMessage(role, placed(content, f"{at}.content", *_WANTED)))

    def _call(self, item: InputItem, at: str) -> None:
        name, id = _needed(item.name, f"{at}.name"), _needed(item.call_id, f"{at}.call_id")
        function = FunctionCall(name, _needed(item.arguments, f"{at}.arguments") or "{}")
        self._begun(fresh=False).calls.append(ToolCall(function, id))
        self._names[id] = name

    def _output(self, item: InputItem, at: str) -> None:
        id = _needed(item.call_id, f"{at}.call_id")
        content = placed(_needed(item.output, f"{at}.output"), f"{at}.output", *_WANTED)
        if id not in self._names:
            what = f"no function_call before it has the id {describe(id)}; send that item, too"
            raise invalid(f"{at}.call_id", what)
        self._end()
        self._made.append(ChatMessage("tool", content, name=self._names[id], tool_call_id=id))


def _text(content: Content, at: str) -> str:
    return joined(content, at, *_WANTED)


def unreadable(items: Sequence[InputItem]) -> Iterator[str]:
    """Return a sentence for thoughts that come without a text that can be read."""
    found = [f"input[{place}]" for place, item in enumerate(items) if item.unreadable]
    if found:
        named = ", ".join(f"{at}.encrypted_content" for at in found[:8])
        yield f"{named}: not readable here, the model is not told of these thoughts."


def _needed(value: T | None, at: str) -> T:
    if value is None:
        raise missing(at)
    return value
