"""The documents of POST /v1/responses, and the items and events that they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from edge_rt.api.openai.answers import ChatTokenLogprob
from edge_rt.api.openai.chat_answers import call_id
from edge_rt.generation.usage import Edge, PromptTokensDetails
from edge_rt.models.answers.parts import Content, MadeCall, Part, Thought

Status = Literal["in_progress", "completed", "incomplete", "failed"]


class OutputText(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="output_text"):
    """The text of an answer."""

    text: str
    annotations: list[Any] = []
    logprobs: list[ChatTokenLogprob] = []


class ReasoningText(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="reasoning_text"
):
    """The text of thoughts."""

    text: str


class OutputMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """What the assistant says."""

    id: str
    status: Status
    role: Literal["assistant"] = "assistant"
    content: list[OutputText]


class OutputReasoning(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="reasoning"):
    """What the model thought before."""

    id: str
    status: Status
    summary: list[Any] = []
    content: list[ReasoningText]


class OutputCall(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="function_call"):
    """A call of a function; `arguments` are JSON in a string."""

    id: str
    status: Status
    call_id: str
    name: str
    arguments: str


OutputItem = OutputMessage | OutputReasoning | OutputCall


class OutputTokensDetails(msgspec.Struct, frozen=True):
    """How many of the tokens were thoughts."""

    reasoning_tokens: int


class InputTokensDetails(PromptTokensDetails, frozen=True, kw_only=True):
    """How much of the prompt did not have to be computed."""

    cache_write_tokens: int = 0


class ResponsesUsage(msgspec.Struct, frozen=True):
    """Tokens, as the Responses API counts them."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ResponseFault(msgspec.Struct, frozen=True):
    """Why an answer failed."""

    code: str
    message: str


class IncompleteDetails(msgspec.Struct, frozen=True):
    """Why an answer ended early."""

    reason: Literal["max_output_tokens"] = "max_output_tokens"


class ResponsesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer so far, with the fields of the request that it repeats."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: Status
    background: Literal[False] = False
    error: ResponseFault | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    model: str
    output: list[OutputItem]
    parallel_tool_calls: bool
    previous_response_id: None = None
    reasoning: Any
    store: Literal[False] = False
    temperature: float | None
    text: Any
    tool_choice: Any
    tools: list[dict[str, Any]]
    top_logprobs: int
    top_p: float | None
    truncation: Literal["disabled"] = "disabled"
    usage: ResponsesUsage | None = None
    edge: Edge | UnsetType = UNSET


class ResponsesEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a stream; `type` tells which of the fields it has."""

    type: str
    sequence_number: int
    response: ResponsesAnswer | UnsetType = UNSET
    output_index: int | UnsetType = UNSET
    item: OutputItem | UnsetType = UNSET
    item_id: str | UnsetType = UNSET
    content_index: int | UnsetType = UNSET
    part: OutputText | ReasoningText | UnsetType = UNSET
    delta: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET
    logprobs: list[ChatTokenLogprob] | UnsetType = UNSET


class Output:
    """Collects items; each method that tells something returns the events for it."""

    def __init__(self, id: str) -> None:
        """`id` is the response's."""
        self.items: list[OutputItem] = []  # that are complete
        self._id = id
        self._events = self._calls = 0
        self._open: type[Content | Thought] | None = None  # what the last item is made of
        self._texts: list[str] = []
        self._logprobs: list[ChatTokenLogprob] = []

    def event(self, type: str, **fields: Any) -> ResponsesEvent:
        """Return the next event."""
        number, self._events = self._events, self._events + 1
        return ResponsesEvent(type=type, sequence_number=number, **fields)

    def take(self, part: Part, logprobs: list[ChatTokenLogprob]) -> Iterator[ResponsesEvent]:
        """Tell a new part; `logprobs` are those of content."""
        if isinstance(part, MadeCall):
            yield from self.close()
            yield from self._call(part)
            return
        if self._open is not type(part):
            yield from self.close()
            yield from self._begin(part)
        self._texts.append(part.text)
        if isinstance(part, Thought):
            yield self._inner("response.reasoning_text.delta", delta=part.text)
            return
        self._logprobs += logprobs
        yield self._inner("response.output_text.delta", delta=part.text, logprobs=logprobs)

    def close(self, status: Status = "completed") -> Iterator[ResponsesEvent]:
        """Tell the end of the item that is open, if one is."""
        if self._open is None:
            return
        part, text = self._part(), "".join(self._texts)
        if isinstance(part, OutputText):
            done, logprobs = "response.output_text.done", self._logprobs
            yield self._inner(done, text=text, logprobs=logprobs)
        else:
            yield self._inner("response.reasoning_text.done", text=text)
        yield self._inner("response.content_part.done", part=part)
        yield from self._done(self._item(status, [part]))
        self._open, self._texts, self._logprobs = None, [], []

    def _begin(self, part: Content | Thought) -> Iterator[ResponsesEvent]:
        self._open = type(part)
        yield self._added(self._item("in_progress", []))
        yield self._inner("response.content_part.added", part=self._part())

    def _call(self, call: MadeCall) -> Iterator[ResponsesEvent]:
        index, self._calls = self._calls, self._calls + 1
        id, called = self._named("fc"), call_id(self._id, 0, index)
        made = {"id": id, "call_id": called, "name": call.name}
        place: dict[str, Any] = {"output_index": len(self.items), "item_id": id}
        text, told = call.arguments, "response.function_call_arguments"
        yield self._added(OutputCall(status="in_progress", arguments="", **made))
        yield self.event(f"{told}.delta", delta=text, **place)
        yield self.event(f"{told}.done", arguments=text, name=call.name, **place)
        yield from self._done(OutputCall(status="completed", arguments=text, **made))

    def _added(self, item: OutputItem) -> ResponsesEvent:
        return self.event("response.output_item.added", output_index=len(self.items), item=item)

    def _done(self, item: OutputItem) -> Iterator[ResponsesEvent]:
        yield self.event("response.output_item.done", output_index=len(self.items), item=item)
        self.items.append(item)

    def _inner(self, type: str, **fields: Any) -> ResponsesEvent:
        """Return an event about the only part of the open item."""
        id = self._named("rs" if self._open is Thought else "msg")
        place: dict[str, Any] = {"item_id": id, "output_index": len(self.items)}
        return self.event(type, content_index=0, **place, **fields)

    def _part(self) -> OutputText | ReasoningText:
        text = "".join(self._texts)
        if self._open is Thought:
            return ReasoningText(text=text)
        return OutputText(text=text, logprobs=self._logprobs)

    def _item(self, status: Status, content: list[Any]) -> OutputItem:
        if self._open is Thought:
            return OutputReasoning(id=self._named("rs"), status=status, content=content)
        return OutputMessage(id=self._named("msg"), status=status, content=content)

    def _named(self, kind: str) -> str:
        """Return the id of the item that comes next."""
        return f"{kind}_{self._id.removeprefix('resp_')}_{len(self.items)}"
