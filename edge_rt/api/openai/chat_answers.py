"""The documents that chat completions answer with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from typing_extensions import override

from edge_rt.api.middleware.context import Head
from edge_rt.api.openai.answers import (
    Answer,
    AnswerPart,
    ChatLogprobs,
    Dialect,
    chat_logprobs,
    text_of,
)
from edge_rt.core.decoding import TokenLogprob
from edge_rt.core.events import Started
from edge_rt.generation.usage import Edge, Usage
from edge_rt.models.answers.parts import AnswerReader, Content, MadeCall, Thought

ID_LENGTH = 9  # letters and digits of a call's id: the templates of Mistral take no others
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class CalledFunction(msgspec.Struct, frozen=True):
    """The function of a call and its arguments, which are JSON in a string."""

    name: str
    arguments: str


class AnsweredCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a tool; in a stream with its place among the calls of the answer."""

    index: int | UnsetType = UNSET
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class AssistantMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The answer itself."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[AnsweredCall] | UnsetType = UNSET
    function_call: CalledFunction | UnsetType = UNSET


class ChatChoice(msgspec.Struct, frozen=True):
    """One answer of a chat completion."""

    index: int
    message: AssistantMessage
    logprobs: ChatLogprobs | None
    finish_reason: str


class ChatCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer, not streamed."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    system_fingerprint: str
    edge: Edge


class ChatDelta(msgspec.Struct, frozen=True):
    """The parts that a chunk adds to an answer; parts without news are left out."""

    role: str | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[AnsweredCall] | UnsetType = UNSET
    function_call: CalledFunction | UnsetType = UNSET


class ChatChunkChoice(msgspec.Struct, frozen=True):
    """A chunk's part of one answer."""

    index: int
    delta: ChatDelta
    logprobs: ChatLogprobs | None = None
    finish_reason: str | None = None


class ChatChunk(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a stream."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: Usage | UnsetType | None
    system_fingerprint: str
    edge: Edge | UnsetType


class ChatDialect(Dialect):
    """Answers in the chat dialect; a choice of a stream begins with its role.

    A call comes whole in one chunk, and `finish_reason` in a chunk of its own: some clients read
    nothing else of a chunk that has either.
    """

    lasting = True

    def __init__(
        self,
        head: Head,
        *,
        include_usage: bool,
        wants_logprobs: bool,
        reader: Callable[[], AnswerReader] | None = None,
        legacy: bool = False,
    ) -> None:
        """`legacy`: a call is told as the older `function_call`."""
        super().__init__(
            head, wants_logprobs=wants_logprobs, include_usage=include_usage, reader=reader
        )
        self._legacy = legacy

    @override
    def opening(self, choice: int, started: Started) -> Sequence[ChatChunk]:
        delta = ChatDelta(role="assistant", content="")
        return [self._chunk([ChatChunkChoice(choice, delta)])]

    @override
    def piece(self, choice: int, piece: AnswerPart) -> Iterable[ChatChunk]:
        told = self._logprobs(piece.logprobs)
        return [self._chunk([ChatChunkChoice(choice, self._delta(choice, piece), told)])]

    @override
    def ending(self, choice: int, answer: Answer, edge: Edge | None) -> Iterable[ChatChunk]:
        told = self._logprobs(answer.waiting) if answer.waiting else None
        last = ChatChunkChoice(choice, ChatDelta(), told, self._reason(answer))
        return [self._chunk([last], edge=edge)]

    @override
    def summary(self, usage: Usage, edge: Edge) -> ChatChunk:
        return self._chunk([], usage, edge)

    @override
    def whole(self, choices: int, usage: Usage, edge: Edge) -> ChatCompletion:
        told = [self._whole(choice, self._answers[choice]) for choice in range(choices)]
        return ChatCompletion(choices=told, usage=usage, edge=edge, **self._head)

    def _whole(self, choice: int, answer: Answer) -> ChatChoice:
        message, logprobs = self._message(choice, answer), self._logprobs(answer.logprobs)
        return ChatChoice(choice, message, logprobs, self._reason(answer))

    def _message(self, choice: int, answer: Answer) -> AssistantMessage:
        content, thoughts = text_of(answer.pieces), text_of(answer.pieces, Thought)
        calls = [
            self._call(choice, piece.calls, piece.part)
            for piece in answer.pieces
            if isinstance(piece.part, MadeCall)
        ]
        more: dict[str, Any] = {"reasoning_content": thoughts} if thoughts else {}
        if calls:
            more |= {"function_call": calls[0].function} if self._legacy else {"tool_calls": calls}
        return AssistantMessage(content=content or (None if calls else ""), **more)

    def _delta(self, choice: int, piece: AnswerPart) -> ChatDelta:
        part, index = piece.part, piece.calls
        if isinstance(part, Content):
            return ChatDelta(content=part.text)
        if isinstance(part, Thought):
            return ChatDelta(reasoning_content=part.text)
        call = self._call(choice, index, part)
        if self._legacy:
            return ChatDelta(function_call=call.function)
        return ChatDelta(tool_calls=[msgspec.structs.replace(call, index=index)])

    def _call(self, choice: int, index: int, call: MadeCall) -> AnsweredCall:
        self.lasting = False  # the ids of calls are made of the answer's id
        function = CalledFunction(call.name, call.arguments)
        return AnsweredCall(id=call_id(self._id, choice, index), function=function)

    def _reason(self, answer: Answer) -> str:
        if not answer.calls or answer.reason != "stop":
            return answer.reason
        return "function_call" if self._legacy else "tool_calls"

    def _logprobs(self, tokens: list[TokenLogprob]) -> ChatLogprobs | None:
        return chat_logprobs(tokens) if self.wants_logprobs else None

    def _chunk(
        self, choices: list[ChatChunkChoice], usage: Usage | None = None, edge: Edge | None = None
    ) -> ChatChunk:
        told = usage or self._no_usage
        return ChatChunk(choices=choices, usage=told, edge=edge or UNSET, **self._head)


def call_id(answer: str, choice: int, index: int) -> str:
    """Return the id of a call, the same whenever that answer is told."""
    found = hashlib.sha256(f"{answer} {choice} {index}".encode()).digest()
    return "".join(_DIGITS[byte % len(_DIGITS)] for byte in found[:ID_LENGTH])
