"""The documents that chat and completions answer with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from edge_rt.api.middleware.context import Head
from edge_rt.api.openai.logprobs import (
    ChatLogprobs,
    Offsets,
    TextLogprobs,
    chat_logprobs,
    text_logprobs,
)
from edge_rt.decoding.params import TokenLogprob
from edge_rt.generation.usage import Edge, Usage


@dataclass
class Answer:
    """One answer while it is being collected."""

    texts: list[str] = field(default_factory=list[str])
    logprobs: list[TokenLogprob] = field(default_factory=list[TokenLogprob])
    reason: str = ""  # empty until it has ended

    @property
    def text(self) -> str:
        """What there is of it."""
        return "".join(self.texts)


class Dialect(Protocol):
    """Turns one request's events into documents; `choice` counts its answers from 0."""

    wants_logprobs: bool

    def opening(self, choice: int) -> msgspec.Struct | None:
        """The chunk that a choice of a stream begins with, if any."""
        ...

    def piece(self, choice: int, text: str, logprobs: list[TokenLogprob]) -> msgspec.Struct:
        """The chunk for new text."""
        ...

    def ending(self, choice: int, reason: str, edge: Edge | None) -> msgspec.Struct:
        """The chunk that ends a choice; `edge` comes with the last one."""
        ...

    def summary(self, usage: Usage, edge: Edge) -> msgspec.Struct:
        """The chunk of usage after all choices."""
        ...

    def whole(self, answers: list[Answer], usage: Usage, edge: Edge) -> msgspec.Struct:
        """The document that is not streamed."""
        ...


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


class TextChoice(msgspec.Struct, frozen=True):
    """One answer, or in a stream what is new of it."""

    index: int
    text: str
    logprobs: TextLogprobs | None = None
    finish_reason: str | None = None


class TextCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer, or one event of a stream: OpenAI gives both the same shape."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage | UnsetType | None
    system_fingerprint: str
    edge: Edge | UnsetType


class TextDialect:
    """Answers in the completions dialect.

    `echoes` holds, a choice, the text that goes before its answer.
    """

    def __init__(
        self, head: Head, *, include_usage: bool, wants_logprobs: bool, echoes: list[str]
    ) -> None:
        self._head = head
        self._no_usage: UnsetType | None = None if include_usage else UNSET
        self._echoes = echoes
        self._offsets = [Offsets() for _ in echoes]
        self.wants_logprobs = wants_logprobs

    def opening(self, choice: int) -> TextCompletion | None:
        """The prompt, when it is echoed."""
        echo = self._echoes[choice]
        return self._document([TextChoice(choice, echo)]) if echo else None

    def piece(self, choice: int, text: str, logprobs: list[TokenLogprob]) -> TextCompletion:
        """A chunk of text."""
        return self._document([TextChoice(choice, text, self._logprobs(choice, logprobs))])

    def ending(self, choice: int, reason: str, edge: Edge | None) -> TextCompletion:
        """The chunk with the finish reason."""
        return self._document([TextChoice(choice, "", finish_reason=reason)], edge=edge)

    def summary(self, usage: Usage, edge: Edge) -> TextCompletion:
        """The chunk without choices."""
        return self._document([], usage, edge)

    def whole(self, answers: list[Answer], usage: Usage, edge: Edge) -> TextCompletion:
        """The answer as one document."""
        choices = [self._choice(i, answer) for i, answer in enumerate(answers)]
        return self._document(choices, usage, edge)

    def _choice(self, index: int, answer: Answer) -> TextChoice:
        text = self._echoes[index] + answer.text
        return TextChoice(index, text, self._logprobs(index, answer.logprobs), answer.reason)

    def _logprobs(self, choice: int, tokens: list[TokenLogprob]) -> TextLogprobs | None:
        return text_logprobs(tokens, self._offsets[choice]) if self.wants_logprobs else None

    def _document(
        self, choices: list[TextChoice], usage: Usage | None = None, edge: Edge | None = None
    ) -> TextCompletion:
        return TextCompletion(
            id=self._head.id,
            created=self._head.created,
            model=self._head.model,
            choices=choices,
            usage=usage or self._no_usage,
            system_fingerprint=self._head.system_fingerprint,
            edge=edge or UNSET,
        )
