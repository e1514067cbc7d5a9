"""The documents and events of POST /v1/messages, made from the events of one answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace
from typing_extensions import override

from edge_rt.api.anthropic.bodies import TOOL_ID
from edge_rt.api.middleware.context import Head
from edge_rt.api.middleware.respond import MessagesError, NamedEventStream
from edge_rt.api.openai.answers import Answer, AnswerPart, Dialect
from edge_rt.api.openai.chat_answers import call_id
from edge_rt.core.events import Delta, Finished, Started
from edge_rt.generation.usage import Edge, Usage
from edge_rt.models.answers.parts import Content, MadeCall, Part, Thought
from edge_rt.models.answers.reader import AnswerReader

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]


class TextBlock(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    """The text of an answer."""

    text: str


class ThinkingBlock(msgspec.Struct, frozen=True, tag_field="type", tag="thinking"):
    """What the model thought before; nothing here signs it."""

    thinking: str
    signature: str = ""


class ToolUseBlock(msgspec.Struct, frozen=True, tag_field="type", tag="tool_use"):
    """One call of a tool."""

    id: str
    name: str
    input: dict[str, Any]


AnswerBlock = TextBlock | ThinkingBlock | ToolUseBlock


class TextDelta(msgspec.Struct, frozen=True, tag_field="type", tag="text_delta"):
    """New text."""

    text: str


class ThinkingDelta(msgspec.Struct, frozen=True, tag_field="type", tag="thinking_delta"):
    """New text of thoughts."""

    thinking: str


class InputJsonDelta(msgspec.Struct, frozen=True, tag_field="type", tag="input_json_delta"):
    """The arguments of a call, which come whole."""

    partial_json: str


class StopDelta(msgspec.Struct, frozen=True):
    """Why the answer ended."""

    stop_reason: StopReason
    stop_sequence: str | None


class MessagesUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens, as Anthropic counts them: those of the prompt that were read, and those kept."""

    input_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int
    output_tokens: int


class MessagesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer; at the begin of a stream, without content."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[AnswerBlock]
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    usage: MessagesUsage
    edge: Edge | UnsetType = UNSET


class MessagesEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a stream; `type` tells which of the fields it has."""

    type: str
    message: MessagesAnswer | UnsetType = UNSET
    index: int | UnsetType = UNSET
    content_block: AnswerBlock | UnsetType = UNSET
    delta: TextDelta | ThinkingDelta | InputJsonDelta | StopDelta | UnsetType = UNSET
    usage: MessagesUsage | UnsetType = UNSET
    edge: Edge | UnsetType = UNSET


class MessageStream(NamedEventStream):
    """A stream that ends with an event of its own."""

    end = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class TokenCount(msgspec.Struct, frozen=True):
    """How many tokens a conversation has."""

    input_tokens: int


class MessagesDialect(Dialect):
    """One answer as the Messages API tells it: blocks, each opened, filled and closed."""

    eager = False
    _deltas: ClassVar = {Content: TextDelta, Thought: ThinkingDelta, MadeCall: InputJsonDelta}

    def __init__(self, head: Head, *, reader: Callable[[], AnswerReader] | None = None) -> None:
        super().__init__(head, wants_logprobs=False, reader=reader)
        self.stream = partial(MessageStream, failed=MessagesError.of)
        self._model = head.model
        self._blocks: list[AnswerBlock] = []  # that are complete
        self._open: AnswerBlock | None = None  # as it was begun, without the texts
        self._kind: type[Part] | None = None  # what that is made of
        self._texts: list[str] = []
        self._stop: str | None = None  # the stop sequence that was hit

    @override
    def opening(self, choice: int, started: Started) -> Sequence[MessagesEvent]:
        read = started.prompt_tokens - started.cached_tokens
        usage = MessagesUsage(
            input_tokens=read, cache_read_input_tokens=started.cached_tokens, output_tokens=0
        )
        message = MessagesAnswer(id=self._id, model=self._model, content=[], usage=usage)
        return [MessagesEvent(type="message_start", message=message)]

    @override
    def read(self, answer: Answer, event: Delta | Finished) -> list[AnswerPart]:
        if isinstance(event, Finished):
            self._stop = event.stop
        return super().read(answer, event)

    @override
    def piece(self, choice: int, piece: AnswerPart) -> Iterator[MessagesEvent]:
        part = piece.part
        if isinstance(part, MadeCall) or type(part) is not self._kind or self._open is None:
            yield from self._close()
            self._kind, self._open = type(part), self._begun(piece)
            yield self._inner("content_block_start", content_block=self._open)
        text = part.arguments if isinstance(part, MadeCall) else part.text
        self._texts.append(text)
        yield self._inner("content_block_delta", delta=self._deltas[type(part)](text))

    @override
    def ending(self, choice: int, answer: Answer, edge: Edge | None) -> Iterable[MessagesEvent]:
        return self._close()

    @override
    def summary(self, usage: Usage, edge: Edge) -> MessagesEvent:
        delta = StopDelta(self._reason(), self._stop)
        return MessagesEvent(type="message_delta", delta=delta, usage=_usage(usage), edge=edge)

    @override
    def whole(self, choices: int, usage: Usage, edge: Edge) -> MessagesAnswer:
        for piece in self._answers[0].pieces:
            deque(self.piece(0, piece), maxlen=0)
        deque(self._close(), maxlen=0)
        return MessagesAnswer(
            id=self._id,
            model=self._model,
            content=self._blocks,
            stop_reason=self._reason(),
            stop_sequence=self._stop,
            usage=_usage(usage),
            edge=edge,
        )

    def _reason(self) -> StopReason:
        answer = self._answers[0]
        if answer.reason == "length":
            return "max_tokens"
        if answer.calls:
            return "tool_use"
        return "end_turn" if self._stop is None else "stop_sequence"

    def _begun(self, piece: AnswerPart) -> AnswerBlock:
        if isinstance(piece.part, MadeCall):
            id = TOOL_ID + call_id(self._id, 0, piece.calls)
            return ToolUseBlock(id, piece.part.name, {})
        return TextBlock("") if isinstance(piece.part, Content) else ThinkingBlock("")

    def _close(self) -> Iterator[MessagesEvent]:
        block, text = self._open, "".join(self._texts)
        if block is None:
            return
        yield self._inner("content_block_stop")
        if isinstance(block, ToolUseBlock):
            block = replace(block, input=msgspec.json.decode(text, type=dict[str, Any]))
        else:
            block = type(block)(text)
        self._blocks.append(block)
        self._open, self._texts = None, []

    def _inner(self, type: str, **fields: Any) -> MessagesEvent:
        return MessagesEvent(type=type, index=len(self._blocks), **fields)


def _usage(usage: Usage) -> MessagesUsage:
    cached = usage.prompt_tokens_details.cached_tokens
    return MessagesUsage(
        input_tokens=usage.prompt_tokens - cached,
        cache_read_input_tokens=cached,
        output_tokens=usage.completion_tokens,
    )
