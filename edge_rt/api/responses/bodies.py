"""The body of POST /v1/responses, and the chat completion that it becomes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta

from edge_rt.api.allowance import Effort, Terms
from edge_rt.api.middleware.decode import describe
from edge_rt.api.openai.chat import ChatRequest
from edge_rt.api.openai.constraint import JsonSchemaFormat, ResponseFormat
from edge_rt.api.openai.fields import Count, Share, StreamOptions
from edge_rt.api.openai.messages import MOST, ChatMessage, Function, Tool
from edge_rt.api.openai.unsupported import unsupported
from edge_rt.api.responses.items import InputItem, item_messages, unreadable
from edge_rt.core.errors import RequestError, invalid

LOGPROBS = "message.output_text.logprobs"
Metadata = Annotated[
    dict[
        Annotated[str, Meta(max_length=64)],
        Annotated[str, Meta(max_length=512)],
    ],
    Meta(max_length=16),
]

_THOUGHTS = "thoughts come as `content` of a reasoning item"
_INSTEAD = {
    "summary": _THOUGHTS,
    "generate_summary": _THOUGHTS,
    "context": "the thoughts in `input` are all read",
    "mode": "`reasoning.effort` says how much is thought",
}
_ADVICE = {
    "previous_response_id": "answers are not kept, send the whole conversation as `input`",
    "conversation": "conversations are not kept, send the whole one as `input`",
    "background": "answers are not kept, leave it out and read the answer, or stream it",
    "prompt": "prompts are not kept, send its text as `instructions` and `input`",
    "context_management": "leave it out, and shorten `input` where it does not fit",
    "moderation": "leave it out",
}


class TextFormat(JsonSchemaFormat, frozen=True, kw_only=True):
    """The kind of answer wanted."""

    type: str
    """`text`, `json_object` or `json_schema`."""


class TextConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the text of an answer is to be."""

    format: TextFormat | None = None
    """Default: any text."""
    verbosity: Literal["low", "medium", "high"] | None = None
    """Not honoured, which a warning tells."""


class Reasoning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model thinks."""

    effort: Effort | None = None
    """How much: `none` is not at all, `high` without a limit."""
    summary: str | None = None
    """Not honoured, which a warning tells: thoughts come as they are."""
    generate_summary: str | None = None
    """The older name of `summary`."""
    context: str | None = None
    """Not honoured, which a warning tells: the thoughts in `input` are all read."""
    mode: str | None = None
    """Not honoured, which a warning tells."""


class FunctionTool(Function, frozen=True, kw_only=True):
    """The fields of a tool, which is the function itself."""

    type: str


class ResponsesRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation that the assistant is to continue; a field that is null is left out."""

    input: str | Annotated[list[InputItem], Meta(min_length=1, max_length=MOST)]
    """What the user says, or the conversation so far."""
    model: str | None = None
    """Id of a model, `default` or `auto`; with `@` a variant of it. Default: `default`."""
    instructions: str | None = None
    """What the system says before."""
    tools: (
        Annotated[list[Annotated[dict[str, Any], FunctionTool]], Meta(max_length=MOST)] | None
    ) = None
    """Functions that the model may call."""
    tool_choice: Annotated[Any, Meta(description="none, auto, required or a tool")] = None
    """`none`, `auto`, `required`, or the tool that is to be called."""
    parallel_tool_calls: bool | None = None
    """Whether an answer may hold several calls. Default: true. Only `true` tells the model, too."""
    text: TextConfig | None = None
    """What the text of the answer is to be."""
    reasoning: Reasoning | None = None
    """How a model that can think does."""
    max_output_tokens: Count | None = None
    """Most tokens of an answer, thoughts among them."""
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    """0: always the likeliest token. Default: the model's own."""
    top_p: Share | None = None
    """Choose among the likeliest tokens with this probability together."""
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    """How many alternatives come with each token."""
    stream: bool | None = None
    """Whether the answer comes as events."""
    stream_options: StreamOptions | None = None
    """Changes nothing: no event is padded, and the last one has the usage."""
    metadata: Metadata | None = None
    """Comes back with the answer."""
    include: list[str] | None = None
    """`message.output_text.logprobs`; of the others nothing is there, which a warning tells."""
    truncation: Literal["disabled", "auto"] | None = None
    """`auto` is refused: a prompt that does not fit is an error."""
    store: bool | None = None
    """Answers are not kept; with true the answer has a warning."""
    max_tool_calls: int | None = None
    """Changes nothing: there are no built-in tools."""
    edge: Terms | None = None
    """What the answer may take and how it is made."""

    # refused when they ask for something
    previous_response_id: Any = None
    conversation: Any = None
    background: Any = None
    prompt: Any = None
    context_management: Any = None
    moderation: Any = None

    @property
    def wants_logprobs(self) -> bool:
        """Whether each token comes with its log-probability."""
        return bool(self.top_logprobs) or LOGPROBS in (self.include or ())

    @property
    def format(self) -> TextFormat:
        """The kind of answer wanted."""
        return (self.text and self.text.format) or TextFormat(type="text")

    def told(self) -> Iterator[str]:
        """Return what of these fields is not honoured."""
        if self.store:
            yield "store: answers are not kept, send the whole conversation as `input` next time."
        if self.text is not None and self.text.verbosity is not None:
            yield "text.verbosity: not honoured, say in `instructions` how long an answer is to be."
        for name, instead in _INSTEAD.items():
            if self.reasoning is not None and getattr(self.reasoning, name) is not None:
                yield f"reasoning.{name}: not honoured, {instead}."
        others = [describe(name)[1:-1] for name in self.include or () if name != LOGPROBS]
        if others:
            yield f"include: there is no {', '.join(others[:8])} here."
        if not isinstance(self.input, str):
            yield from unreadable(self.input)


def refuse(asked: ResponsesRequest) -> None:
    """Raise RequestError for a field that would change the answer and cannot be honoured."""
    for name, advice in _ADVICE.items():
        if getattr(asked, name):
            raise unsupported(name, f"`{name}` is not supported: {advice}.")
    if asked.truncation == "auto":
        advice = "a prompt that does not fit is an error, shorten `input`"
        raise unsupported("truncation", f'`truncation`: "auto" is not supported: {advice}.')


def chat_request(asked: ResponsesRequest) -> ChatRequest:
    """Return the chat completion that a body stands for; raises RequestError."""
    said = [ChatMessage("system", asked.instructions)] if asked.instructions else []
    if isinstance(asked.input, str):
        said.append(ChatMessage("user", asked.input))
    else:
        said += item_messages(asked.input)
    request = ChatRequest(
        model=asked.model,
        messages=said,
        tools=[_tool(one, f"tools[{place}]") for place, one in enumerate(asked.tools or ())]
        or None,
        tool_choice=_choice(asked.tool_choice),
        parallel_tool_calls=asked.parallel_tool_calls,
        response_format=_response_format(asked.format),
        reasoning_effort=None if asked.reasoning is None else asked.reasoning.effort,
        max_tokens=asked.max_output_tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        logprobs=asked.wants_logprobs or None,
        top_logprobs=asked.top_logprobs or None,
        stream=asked.stream,
        stream_options=StreamOptions(include_usage=True),
        edge=asked.edge,
    )
    if not said:
        raise invalid("input", "there is nothing in it that the model can read")
    request.check()
    return request


def _tool(tool: dict[str, Any], at: str) -> Tool:
    if tool.get("type") != "function":
        _only_functions(f"{at}.type", tool.get("type"))
    return Tool({name: value for name, value in tool.items() if name != "type"})


def _choice(choice: Any) -> Any:
    """Return the choice of a tool as chat completions have it."""
    if not isinstance(choice, dict):
        return choice
    told = cast("dict[str, Any]", choice)
    if told.get("type") == "allowed_tools":
        return {"type": "allowed_tools", "allowed_tools": told}
    if told.get("type") != "function":
        _only_functions("tool_choice.type", told.get("type"))
    return told


def _only_functions(param: str, got: object) -> None:
    message = (
        f"`{param}`: {describe(got)} is not supported: the only tools here are those of the type "
        '"function", which your program runs.'
    )
    raise RequestError(message, param=param, code="unsupported_parameter")


def _response_format(format: TextFormat) -> ResponseFormat | None:
    if format.type == "text":
        return None
    if format.type != "json_schema":
        return ResponseFormat(format.type)
    schema = JsonSchemaFormat(format.name, format.description, format.schema, format.strict)
    return ResponseFormat(format.type, schema)
