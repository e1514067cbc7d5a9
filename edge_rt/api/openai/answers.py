"""What answers of every dialect have in common: documents of completions, log-probabilities."""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import asdict
from starlette.types import Send
from typing_extensions import override

from edge_rt.api.middleware.context import Head
from edge_rt.api.middleware.respond import EventStream
from edge_rt.core.decoding import TokenLogprob
from edge_rt.core.events import Delta
from edge_rt.generation.usage import Edge, Usage

_FLOOR = -9999.0  # stands for minus infinity, which JSON cannot say


class TopLogprob(msgspec.Struct, frozen=True):
    """One likely token at a position of a chat answer."""

    token: str
    logprob: float
    bytes: list[int]


class ChatTokenLogprob(msgspec.Struct, frozen=True):
    """The token at a position of a chat answer, and the likeliest ones there."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]


class ChatLogprobs(msgspec.Struct, frozen=True):
    """`logprobs` of a chat choice."""

    content: list[ChatTokenLogprob]
    refusal: None = None


class TextLogprobs(msgspec.Struct, frozen=True):
    """`logprobs` of a completions choice: parallel lists, one entry a token."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class Offsets:
    """Where each token of one completion begins in its text, in characters."""

    def __init__(self) -> None:
        self._at = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def advance(self, token: bytes) -> int:
        """The offset of `token`, which comes next."""
        start = self._at
        self._at += len(self._decoder.decode(token))
        return start


def chat_logprobs(tokens: list[TokenLogprob]) -> ChatLogprobs:
    """OpenAI's chat shape."""
    return ChatLogprobs([_chat_token(token) for token in tokens])


def text_logprobs(tokens: list[TokenLogprob], offsets: Offsets) -> TextLogprobs:
    """OpenAI's completions shape; every `top_logprobs` also holds the token drawn."""
    return TextLogprobs(
        tokens=[_spell(token.token, "bytes:") for token in tokens],
        token_logprobs=[_finite(token.logprob) for token in tokens],
        top_logprobs=[_top(token) for token in tokens],
        text_offset=[offsets.advance(token.token) for token in tokens],
    )


def _chat_token(token: TokenLogprob) -> ChatTokenLogprob:
    top = [TopLogprob(_spell(t), _finite(p), list(t)) for t, p in token.top]
    text = _spell(token.token)
    return ChatTokenLogprob(text, _finite(token.logprob), list(token.token), top)


def _top(token: TokenLogprob) -> dict[str, float]:
    both = [*token.top, (token.token, token.logprob)]
    return {_spell(t, "bytes:"): _finite(p) for t, p in both}


def _spell(token: bytes, prefix: str = "") -> str:
    try:
        return token.decode()
    except UnicodeDecodeError:
        return prefix + "".join(f"\\x{byte:02x}" for byte in token)


def _finite(logprob: float) -> float:
    return logprob if logprob > _FLOOR else _FLOOR  # also for NaN


@dataclass
class Answer:
    """One answer while it is being collected."""

    deltas: list[Delta] = field(default_factory=list[Delta])
    reason: str = ""  # empty until it has ended

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.deltas)

    @property
    def logprobs(self) -> list[TokenLogprob]:
        return [token for delta in self.deltas for token in delta.logprobs]


class Dialect(ABC):
    """Turns one request's events into documents; `choice` counts its answers from 0."""

    stream: Callable[[Send], EventStream] = EventStream  # how its streams are written
    lasting = False  # whether `whole` says the same each time but for `edge` and the head's fields

    def __init__(self, head: Head, *, include_usage: bool, wants_logprobs: bool) -> None:
        """`include_usage` is that of the request's stream_options."""
        self._head: dict[str, Any] = asdict(head)
        self._no_usage: UnsetType | None = None if include_usage else UNSET
        self.wants_logprobs = wants_logprobs

    @abstractmethod
    def opening(self, choice: int) -> Sequence[msgspec.Struct]:
        """The chunks that a choice of a stream begins with."""

    @abstractmethod
    def piece(self, choice: int, delta: Delta) -> Sequence[msgspec.Struct]:
        """The chunks for new text."""

    @abstractmethod
    def ending(self, choice: int, reason: str, edge: Edge | None) -> Sequence[msgspec.Struct]:
        """The chunks that end a choice; `edge` comes with the last one of all."""

    @abstractmethod
    def summary(self, usage: Usage, edge: Edge) -> msgspec.Struct:
        """The chunk of usage after all choices."""

    @abstractmethod
    def whole(self, answers: list[Answer], usage: Usage, edge: Edge) -> msgspec.Struct:
        """The document that is not streamed."""


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


class TextDialect(Dialect):
    """Answers in the completions dialect; a choice of a stream begins with an echo, if any."""

    lasting = True

    def __init__(
        self, head: Head, *, include_usage: bool, wants_logprobs: bool, echoes: list[str]
    ) -> None:
        """`echoes` has for each choice the text that goes before its answer."""
        super().__init__(head, include_usage=include_usage, wants_logprobs=wants_logprobs)
        self._echoes = echoes
        self._offsets = [Offsets() for _ in echoes]

    @override
    def opening(self, choice: int) -> Sequence[TextCompletion]:
        echo = self._echoes[choice]
        return [self._document([TextChoice(choice, echo)])] if echo else ()

    @override
    def piece(self, choice: int, delta: Delta) -> Sequence[TextCompletion]:
        text, logprobs = delta.text, delta.logprobs
        if not text and not (self.wants_logprobs and logprobs):
            return ()
        return [self._document([TextChoice(choice, text, self._logprobs(choice, logprobs))])]

    @override
    def ending(self, choice: int, reason: str, edge: Edge | None) -> Sequence[TextCompletion]:
        return [self._document([TextChoice(choice, "", finish_reason=reason)], edge=edge)]

    @override
    def summary(self, usage: Usage, edge: Edge) -> TextCompletion:
        return self._document([], usage, edge)

    @override
    def whole(self, answers: list[Answer], usage: Usage, edge: Edge) -> TextCompletion:
        choices = [
            TextChoice(i, self._echoes[i] + a.text, self._logprobs(i, a.logprobs), a.reason)
            for i, a in enumerate(answers)
        ]
        return self._document(choices, usage, edge)

    def _logprobs(self, choice: int, tokens: list[TokenLogprob]) -> TextLogprobs | None:
        return text_logprobs(tokens, self._offsets[choice]) if self.wants_logprobs else None

    def _document(
        self, choices: list[TextChoice], usage: Usage | None = None, edge: Edge | None = None
    ) -> TextCompletion:
        told = usage or self._no_usage
        return TextCompletion(choices=choices, usage=told, edge=edge or UNSET, **self._head)
