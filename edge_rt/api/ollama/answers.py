"""The documents of /api/chat and /api/generate, made from the events of one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from typing_extensions import override

from edge_rt.api.middleware.context import Head
from edge_rt.api.middleware.respond import LineStream
from edge_rt.api.openai.answers import (
    Answer,
    AnswerPart,
    ChatTokenLogprob,
    Dialect,
    chat_logprobs,
    text_of,
)
from edge_rt.api.openai.chat_answers import call_id
from edge_rt.generation.usage import Edge, Usage
from edge_rt.models.answers.parts import AnswerReader, Content, MadeCall, Thought

_NS = 1_000_000_000  # of a second


class OllamaFunction(msgspec.Struct, frozen=True):
    """The function of a call; `arguments` are an object."""

    index: int
    name: str
    arguments: dict[str, Any]


class OllamaToolCall(msgspec.Struct, frozen=True):
    """One whole call of a tool."""

    id: str
    function: OllamaFunction


class OllamaReply(msgspec.Struct, frozen=True, kw_only=True):
    """The assistant's message, or in a stream what is new of it."""

    role: Literal["assistant"] = "assistant"
    content: str = ""
    thinking: str | UnsetType = UNSET
    tool_calls: list[OllamaToolCall] | UnsetType = UNSET


class OllamaDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What all documents have; the last of a stream, or the only one, has the rest as well.

    Durations are in nanoseconds.
    """

    model: str
    created_at: datetime
    done: bool
    done_reason: str | UnsetType = UNSET
    total_duration: int | UnsetType = UNSET
    load_duration: int | UnsetType = UNSET
    prompt_eval_count: int | UnsetType = UNSET
    prompt_eval_duration: int | UnsetType = UNSET
    eval_count: int | UnsetType = UNSET
    eval_duration: int | UnsetType = UNSET
    logprobs: list[ChatTokenLogprob] | UnsetType = UNSET
    edge: Edge | UnsetType = UNSET


class OllamaChatAnswer(OllamaDocument, frozen=True, kw_only=True):
    """A document of /api/chat."""

    message: OllamaReply


class OllamaText(OllamaDocument, frozen=True, kw_only=True):
    """A document of /api/generate."""

    response: str
    thinking: str | UnsetType = UNSET


def now(clock: Callable[[], float]) -> datetime:
    """Return the time of a document, from Unix seconds."""
    return datetime.fromtimestamp(clock(), timezone.utc)


def in_ns(seconds: float) -> int:
    """Return whole nanoseconds, never below 0."""
    return max(0, round(seconds * _NS))


def resident(
    name: str, at: datetime, took_ns: int, reason: Literal["load", "unload"], *, chat: bool
) -> OllamaDocument:
    """Return the document for a request that asked nothing but to have the model in memory, or out.

    `reason` says which.
    """
    done: dict[str, Any] = {"model": name, "created_at": at, "done": True, "done_reason": reason}
    done |= {"total_duration": took_ns, "load_duration": took_ns}
    return (
        OllamaChatAnswer(message=OllamaReply(), **done) if chat else OllamaText(response="", **done)
    )


class OllamaDialect(Dialect):
    """Answers in the shape of one of the two endpoints; a call comes whole in one document."""

    stream = LineStream
    eager = False

    def __init__(
        self,
        head: Head,
        name: str,
        clock: Callable[[], float],
        *,
        chat: bool,
        wants_logprobs: bool = False,
        reader: Callable[[], AnswerReader] | None = None,
    ) -> None:
        """`name` is the model as the client names it, `clock` gives Unix seconds."""
        super().__init__(head, wants_logprobs=wants_logprobs, reader=reader)
        self._name, self._clock, self._chat = name, clock, chat

    @override
    def piece(self, choice: int, piece: AnswerPart) -> Iterable[OllamaDocument]:
        return [self._document([piece], done=False)]

    @override
    def ending(self, choice: int, answer: Answer, edge: Edge | None) -> Iterable[OllamaDocument]:
        return ()

    @override
    def summary(self, usage: Usage, edge: Edge) -> OllamaDocument:
        left = self._answers[0].told([Content("")])
        return self._document(left, **self._end(usage, edge))

    @override
    def whole(self, choices: int, usage: Usage, edge: Edge) -> OllamaDocument:
        answer = self._answers[0]
        pieces = [*answer.pieces, *answer.told([Content("")])]
        return self._document(pieces, **self._end(usage, edge))

    def _end(self, usage: Usage, edge: Edge) -> dict[str, Any]:
        """Return the fields of the last document; all time before the prompt counts as loading."""
        total_s = edge.latency_s or 0.0
        return {
            "done": True,
            "done_reason": self._answers[0].reason,
            "total_duration": in_ns(total_s),
            "load_duration": in_ns(total_s - edge.prefill_s - edge.decode_s),
            "prompt_eval_count": usage.prompt_tokens,
            "prompt_eval_duration": in_ns(edge.prefill_s),
            "eval_count": usage.completion_tokens,
            "eval_duration": in_ns(edge.decode_s),
            "edge": msgspec.structs.replace(edge, id=self._id),
        }

    def _document(self, pieces: Sequence[AnswerPart], **fields: Any) -> OllamaDocument:
        content = text_of(pieces)
        thought = text_of(pieces, Thought) or UNSET
        fields |= {"model": self._name, "created_at": now(self._clock)}
        logprobs = [one for piece in pieces for one in piece.logprobs]
        if logprobs:
            fields["logprobs"] = chat_logprobs(logprobs).content
        if not self._chat:
            return OllamaText(response=content, thinking=thought, **fields)
        calls = [
            self._call(piece.part, piece.calls)
            for piece in pieces
            if isinstance(piece.part, MadeCall)
        ]
        reply = OllamaReply(content=content, thinking=thought, tool_calls=calls or UNSET)
        return OllamaChatAnswer(message=reply, **fields)

    def _call(self, call: MadeCall, index: int) -> OllamaToolCall:
        arguments = msgspec.json.decode(call.arguments, type=dict[str, Any])
        function = OllamaFunction(index, call.name, arguments)
        return OllamaToolCall(call_id(self._id, 0, index), function)
