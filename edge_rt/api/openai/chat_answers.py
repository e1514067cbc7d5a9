"""The documents that chat completions answer with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from typing_extensions import override

from edge_rt.api.middleware.context import Head
from edge_rt.api.openai.answers import Answer, ChatLogprobs, Dialect, chat_logprobs
from edge_rt.core.decoding import TokenLogprob
from edge_rt.core.events import Delta
from edge_rt.generation.usage import Edge, Usage
from edge_rt.models.answers.parts import Content, MadeCall, Part, Thought
from edge_rt.models.answers.reader import AnswerReader

ID_LENGTH = 9  # letters and digits of a call's id: the templates of Mistral take no others


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
        """`reader` makes what reads one answer; None: all of it is content. `legacy`: a call is
        told as the older `function_call`.
        """
        super().__init__(head, include_usage=include_usage, wants_logprobs=wants_logprobs)
        self._id, self._reader, self._legacy = head.id, reader, legacy
        self._readers: dict[int, AnswerReader] = {}
        self._waiting: dict[int, list[TokenLogprob]] = {}  # for a chunk to go out with

    @override
    def opening(self, choice: int) -> Sequence[ChatChunk]:
        delta = ChatDelta(role="assistant", content="")
        return [self._chunk([ChatChunkChoice(choice, delta)])]

    @override
    def piece(self, choice: int, delta: Delta) -> Sequence[ChatChunk]:
        text, logprobs = delta.text, delta.logprobs
        if self._reader is None:
            parts: list[Part] = (
                [Content(text)] if text or (self.wants_logprobs and logprobs) else []
            )
        else:
            parts = self._reading(choice).push(text)
        return list(self._told(choice, parts, logprobs))

    @override
    def ending(self, choice: int, reason: str, edge: Edge | None) -> Sequence[ChatChunk]:
        reader = self._readers.get(choice)
        rest = [] if reader is None else list(self._told(choice, reader.finish(), []))
        left = self._waiting.pop(choice, [])
        told = self._logprobs(left) if left else None
        last = ChatChunkChoice(choice, ChatDelta(), told, self._reason(reader, reason))
        return [*rest, self._chunk([last], edge=edge)]

    @override
    def summary(self, usage: Usage, edge: Edge) -> ChatChunk:
        return self._chunk([], usage, edge)

    @override
    def whole(self, answers: list[Answer], usage: Usage, edge: Edge) -> ChatCompletion:
        choices = [self._whole(index, answer) for index, answer in enumerate(answers)]
        return ChatCompletion(choices=choices, usage=usage, edge=edge, **self._head)

    def _whole(self, choice: int, answer: Answer) -> ChatChoice:
        logprobs = self._logprobs(answer.logprobs)
        if self._reader is None:
            message = AssistantMessage(content=answer.text)
            return ChatChoice(choice, message, logprobs, answer.reason)
        reader = self._reader()
        parts = [*reader.push(answer.text), *reader.finish()]
        reason = self._reason(reader, answer.reason)
        return ChatChoice(choice, self._message(choice, parts), logprobs, reason)

    def _message(self, choice: int, parts: list[Part]) -> AssistantMessage:
        content = "".join(part.text for part in parts if isinstance(part, Content))
        thoughts = "".join(part.text for part in parts if isinstance(part, Thought))
        made = [part for part in parts if isinstance(part, MadeCall)]
        calls = [self._call(choice, i, call) for i, call in enumerate(made)]
        more: dict[str, Any] = {"reasoning_content": thoughts} if thoughts else {}
        if calls:
            more |= {"function_call": calls[0].function} if self._legacy else {"tool_calls": calls}
        return AssistantMessage(content=content or (None if calls else ""), **more)

    def _reading(self, choice: int) -> AnswerReader:
        assert self._reader is not None
        if choice not in self._readers:
            self._readers[choice] = self._reader()
        return self._readers[choice]

    def _told(
        self, choice: int, parts: list[Part], logprobs: list[TokenLogprob]
    ) -> Iterator[ChatChunk]:
        """A chunk for each part; the first one has the log-probabilities."""
        waiting = [*self._waiting.pop(choice, []), *logprobs]
        made = 0 if self._reader is None else self._reading(choice).calls
        made -= sum(isinstance(part, MadeCall) for part in parts)
        for part in parts:
            told, waiting = self._logprobs(waiting), list[TokenLogprob]()
            yield self._chunk([ChatChunkChoice(choice, self._delta(choice, made, part), told)])
            made += isinstance(part, MadeCall)
        if waiting:
            self._waiting[choice] = waiting

    def _delta(self, choice: int, index: int, part: Part) -> ChatDelta:
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

    def _reason(self, reader: AnswerReader | None, reason: str) -> str:
        if reader is None or not reader.calls or reason != "stop":
            return reason
        return "function_call" if self._legacy else "tool_calls"

    def _logprobs(self, tokens: list[TokenLogprob]) -> ChatLogprobs | None:
        return chat_logprobs(tokens) if self.wants_logprobs else None

    def _chunk(
        self, choices: list[ChatChunkChoice], usage: Usage | None = None, edge: Edge | None = None
    ) -> ChatChunk:
        told = usage or self._no_usage
        return ChatChunk(choices=choices, usage=told, edge=edge or UNSET, **self._head)


_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def call_id(answer: str, choice: int, index: int) -> str:
    """The id of a call, the same whenever that answer is told."""
    found = hashlib.sha256(f"{answer} {choice} {index}".encode()).digest()
    return "".join(_DIGITS[byte % len(_DIGITS)] for byte in found[:ID_LENGTH])
