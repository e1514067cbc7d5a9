"""The documents that POST /v1/completions answers with."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from edge_rt.api.generation.dialect import Answer
from edge_rt.api.generation.usage import Edge, Usage
from edge_rt.api.middleware.context import Head
from edge_rt.api.openai.logprobs import Offsets, TextLogprobs, text_logprobs
from edge_rt.decoding.params import TokenLogprob


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
