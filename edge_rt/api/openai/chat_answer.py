"""The documents that POST /v1/chat/completions answers with."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from edge_rt.api.generation.dialect import Answer
from edge_rt.api.generation.usage import Edge, Usage
from edge_rt.api.middleware.context import Head
from edge_rt.api.openai.logprobs import ChatLogprobs, chat_logprobs
from edge_rt.decoding.params import TokenLogprob


class AssistantMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The answer itself."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


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
    """What a chunk adds to an answer; what it does not add is left out."""

    role: str | UnsetType = UNSET
    content: str | UnsetType = UNSET


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


class ChatDialect:
    """Answers in the chat dialect; `include_usage` as of the request's stream_options."""

    def __init__(self, head: Head, *, include_usage: bool, wants_logprobs: bool) -> None:
        self._head = head
        self._no_usage: UnsetType | None = None if include_usage else UNSET
        self.wants_logprobs = wants_logprobs

    def opening(self, choice: int) -> ChatChunk:
        """The chunk that tells the role."""
        return self._chunk([ChatChunkChoice(choice, ChatDelta(role="assistant", content=""))])

    def piece(self, choice: int, text: str, logprobs: list[TokenLogprob]) -> ChatChunk:
        """A chunk of text."""
        shown = chat_logprobs(logprobs) if self.wants_logprobs else None
        return self._chunk([ChatChunkChoice(choice, ChatDelta(content=text), shown)])

    def ending(self, choice: int, reason: str, edge: Edge | None) -> ChatChunk:
        """The chunk with the finish reason."""
        return self._chunk([ChatChunkChoice(choice, ChatDelta(), finish_reason=reason)], edge=edge)

    def summary(self, usage: Usage, edge: Edge) -> ChatChunk:
        """The chunk without choices."""
        return self._chunk([], usage, edge)

    def whole(self, answers: list[Answer], usage: Usage, edge: Edge) -> ChatCompletion:
        """The answer as one document."""
        return ChatCompletion(
            id=self._head.id,
            created=self._head.created,
            model=self._head.model,
            choices=[self._choice(i, answer) for i, answer in enumerate(answers)],
            usage=usage,
            system_fingerprint=self._head.system_fingerprint,
            edge=edge,
        )

    def _choice(self, index: int, answer: Answer) -> ChatChoice:
        shown = chat_logprobs(answer.logprobs) if self.wants_logprobs else None
        return ChatChoice(index, AssistantMessage(content=answer.text), shown, answer.reason)

    def _chunk(
        self, choices: list[ChatChunkChoice], usage: Usage | None = None, edge: Edge | None = None
    ) -> ChatChunk:
        return ChatChunk(
            id=self._head.id,
            created=self._head.created,
            model=self._head.model,
            choices=choices,
            usage=usage or self._no_usage,
            system_fingerprint=self._head.system_fingerprint,
            edge=edge or UNSET,
        )
