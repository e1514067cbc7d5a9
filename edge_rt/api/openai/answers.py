"""What answers of every dialect have in common: documents of completions, log-probabilities."""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import asdict
from starlette.types import Send
from typing_extensions import override

from edge_rt.api.middleware.context import Head
from edge_rt.api.middleware.respond import EventStream
from edge_rt.core.decoding import TokenLogprob
from edge_rt.core.errors import EngineError
from edge_rt.core.events import Delta, Finished, Started
from edge_rt.generation.usage import Edge, Usage
from edge_rt.models.answers.parts import AnswerReader, Content, MadeCall, Part, Thought

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
        """Return the offset of `token`, which comes next."""
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


class AnswerPart(NamedTuple):
    """A part of an answer, the log-probabilities that go out with it, and the calls before it."""

    part: Part
    logprobs: list[TokenLogprob]
    calls: int


@dataclass
class Answer:
    """One answer while it is read; `reader` None: all of it is content."""

    reader: AnswerReader | None
    waiting: list[TokenLogprob] = field(default_factory=list[TokenLogprob])  # for a piece
    calls: int = 0  # that were made
    deltas: list[Delta] = field(default_factory=list[Delta])  # of one that is not streamed
    pieces: list[AnswerPart] = field(default_factory=list[AnswerPart])  # of that, once it has ended
    reason: str = ""  # empty until it has ended

    def told(self, parts: Sequence[Part]) -> list[AnswerPart]:
        """Return new parts as pieces, the first with all log-probabilities that wait."""
        found: list[AnswerPart] = []
        for part in parts:
            found.append(AnswerPart(part, self.waiting, self.calls))
            self.waiting = []
            self.calls += isinstance(part, MadeCall)
        return found

    @property
    def logprobs(self) -> list[TokenLogprob]:
        return [*(one for piece in self.pieces for one in piece.logprobs), *self.waiting]


def text_of(pieces: Iterable[AnswerPart], kind: type[Content | Thought] = Content) -> str:
    """Return the text of pieces, of those of one kind."""
    return "".join(part.text for part, *_ in pieces if isinstance(part, kind))


class Dialect(ABC):
    """Turns the events of one request into documents; `choice` counts its answers from 0."""

    stream: Callable[[Send], EventStream] = EventStream  # how its streams are written
    lasting = False  # whether `whole` says the same each time but for `edge` and the head's fields
    eager = True  # whether log-probabilities of plain content go out though there is no text

    def __init__(
        self,
        head: Head,
        *,
        wants_logprobs: bool,
        include_usage: bool = True,
        reader: Callable[[], AnswerReader] | None = None,
    ) -> None:
        """`include_usage` is that of the request's stream_options.

        `reader` makes what reads an answer; None: all of it is content.
        """
        self._head: dict[str, Any] = asdict(head)
        self._id = head.id
        self._no_usage: UnsetType | None = None if include_usage else UNSET
        self._answers = defaultdict[int, Answer](lambda: Answer(reader and reader()))
        self.wants_logprobs = wants_logprobs

    def told(self, choice: int, event: Delta | Finished, edge: Edge | None) -> list[msgspec.Struct]:
        """Return the chunks for an event of a choice; `edge` comes with the last one of all."""
        answer = self._answers[choice]
        chunks: list[msgspec.Struct] = []
        for piece in self.read(answer, event):
            chunks += self.piece(choice, piece)
        if isinstance(event, Finished):
            chunks += self.ending(choice, answer, edge)
        return chunks

    def collect(self, choice: int, event: Delta | Finished) -> None:
        """Note an event of a choice, for `whole`; the text is read once all of it is there."""
        answer = self._answers[choice]
        if isinstance(event, Delta):
            answer.deltas.append(event)
            return
        text = "".join(delta.text for delta in answer.deltas)
        logprobs = [one for delta in answer.deltas for one in delta.logprobs]
        answer.pieces += self.read(answer, Delta(0, choice, text, [], logprobs))
        answer.pieces += self.read(answer, event)

    def read(self, answer: Answer, event: Delta | Finished) -> list[AnswerPart]:
        """Return what an event adds to an answer; raises EngineError if that was cut short."""
        reader = answer.reader
        if isinstance(event, Finished):
            if event.reason not in ("stop", "length"):
                raise EngineError(f"The engine cut the answer short ({event.reason}); try again.")
            answer.reason = event.reason
            return answer.told(reader.finish() if reader else [])
        if self.wants_logprobs:
            answer.waiting += event.logprobs
        if reader is not None:
            return answer.told(reader.push(event.text))
        some = event.text or (self.eager and answer.waiting)
        return answer.told([Content(event.text)] if some else [])

    def opening(self, choice: int, started: Started) -> Sequence[msgspec.Struct]:
        """Return the chunks that a choice of a stream begins with."""
        return ()

    @abstractmethod
    def piece(self, choice: int, piece: AnswerPart) -> Iterable[msgspec.Struct]:
        """Return the chunks for a new piece."""

    @abstractmethod
    def ending(self, choice: int, answer: Answer, edge: Edge | None) -> Iterable[msgspec.Struct]:
        """Return the chunks that end a choice; `edge` comes with the last one of all."""

    @abstractmethod
    def summary(self, usage: Usage, edge: Edge) -> msgspec.Struct:
        """Return the chunk of usage after all choices."""

    @abstractmethod
    def whole(self, choices: int, usage: Usage, edge: Edge) -> msgspec.Struct:
        """Return the document of so many answers that are not streamed."""


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
    def opening(self, choice: int, started: Started) -> Sequence[TextCompletion]:
        echo = self._echoes[choice]
        return [self._document([TextChoice(choice, echo)])] if echo else ()

    @override
    def piece(self, choice: int, piece: AnswerPart) -> Iterable[TextCompletion]:
        assert isinstance(piece.part, Content)
        text = TextChoice(choice, piece.part.text, self._logprobs(choice, piece.logprobs))
        return [self._document([text])]

    @override
    def ending(self, choice: int, answer: Answer, edge: Edge | None) -> Iterable[TextCompletion]:
        ended = TextChoice(choice, "", finish_reason=answer.reason)
        return [self._document([ended], edge=edge)]

    @override
    def summary(self, usage: Usage, edge: Edge) -> TextCompletion:
        return self._document([], usage, edge)

    @override
    def whole(self, choices: int, usage: Usage, edge: Edge) -> TextCompletion:
        answers = [self._answers[i] for i in range(choices)]
        told = [
            TextChoice(
                i, self._echoes[i] + text_of(a.pieces), self._logprobs(i, a.logprobs), a.reason
            )
            for i, a in enumerate(answers)
        ]
        return self._document(told, usage, edge)

    def _logprobs(self, choice: int, tokens: list[TokenLogprob]) -> TextLogprobs | None:
        return text_logprobs(tokens, self._offsets[choice]) if self.wants_logprobs else None

    def _document(
        self, choices: list[TextChoice], usage: Usage | None = None, edge: Edge | None = None
    ) -> TextCompletion:
        told = usage or self._no_usage
        return TextCompletion(choices=choices, usage=told, edge=edge or UNSET, **self._head)
