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
from edge_rt.api.openai.answers import Answer, ChatTokenLogprob, Dialect, chat_logprobs
from edge_rt.api.openai.chat_answers import call_id
from edge_rt.core.decoding import TokenLogprob
from edge_rt.core.events import Delta
from edge_rt.generation.usage import Edge, Usage
from edge_rt.models.answers.parts import Content, MadeCall, Part, Thought
from edge_rt.models.answers.reader import AnswerReader

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
        """`name` is the model as the client names it, `clock` gives Unix seconds. `reader` makes
        what reads the answer; None: all of it is content.
        """
        super().__init__(head, include_usage=True, wants_logprobs=wants_logprobs)
        self._id, self._name, self._clock, self._chat = head.id, name, clock, chat
        self._reader = None if reader is None else reader()
        self._made = 0  # calls
        self._waiting: list[TokenLogprob] = []  # for a document to go out with
        self._reason = "stop"

    @override
    def opening(self, choice: int) -> Sequence[OllamaDocument]:
        return ()

    @override
    def piece(self, choice: int, delta: Delta) -> Sequence[OllamaDocument]:
        text = delta.text
        self._waiting += delta.logprobs if self.wants_logprobs else []
        if self._reader is None:
            return self._told([Content(text)] if text else [])
        return self._told(self._reader.push(text))

    @override
    def ending(self, choice: int, reason: str, edge: Edge | None) -> Sequence[OllamaDocument]:
        self._reason = reason
        return [] if self._reader is None else self._told(self._reader.finish())

    @override
    def summary(self, usage: Usage, edge: Edge) -> OllamaDocument:
        return self._document([], **self._end(usage, edge))

    @override
    def whole(self, answers: list[Answer], usage: Usage, edge: Edge) -> OllamaDocument:
        [answer] = answers
        self._reason = answer.reason
        self._waiting += answer.logprobs if self.wants_logprobs else []
        parts: list[Part] = [Content(answer.text)]
        if self._reader is not None:
            parts = [*self._reader.push(answer.text), *self._reader.finish()]
        return self._document(parts, **self._end(usage, edge))

    def _told(self, parts: Iterable[Part]) -> list[OllamaDocument]:
        return [self._document([part], done=False) for part in parts]

    def _end(self, usage: Usage, edge: Edge) -> dict[str, Any]:
        """The fields of the last document; all time before the prompt counts as loading."""
        total_s = edge.latency_s or 0.0
        return {
            "done": True,
            "done_reason": self._reason,
            "total_duration": in_ns(total_s),
            "load_duration": in_ns(total_s - edge.prefill_s - edge.decode_s),
            "prompt_eval_count": usage.prompt_tokens,
            "prompt_eval_duration": in_ns(edge.prefill_s),
            "eval_count": usage.completion_tokens,
            "eval_duration": in_ns(edge.decode_s),
            "edge": msgspec.structs.replace(edge, id=self._id),
        }

    def _document(self, parts: Sequence[Part], **fields: Any) -> OllamaDocument:
        content = "".join(part.text for part in parts if isinstance(part, Content))
        thought = "".join(part.text for part in parts if isinstance(part, Thought)) or UNSET
        calls = [self._call(part) for part in parts if isinstance(part, MadeCall)]
        fields |= {"model": self._name, "created_at": now(self._clock)}
        if self._waiting:
            fields["logprobs"] = chat_logprobs(self._waiting).content
            self._waiting = []
        if not self._chat:
            return OllamaText(response=content, thinking=thought, **fields)
        reply = OllamaReply(content=content, thinking=thought, tool_calls=calls or UNSET)
        return OllamaChatAnswer(message=reply, **fields)

    def _call(self, call: MadeCall) -> OllamaToolCall:
        index, self._made = self._made, self._made + 1
        arguments = msgspec.json.decode(call.arguments, type=dict[str, Any])
        function = OllamaFunction(index, call.name, arguments)
        return OllamaToolCall(call_id(self._id, 0, index), function)
