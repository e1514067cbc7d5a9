"""The bodies of /api/chat and /api/generate, and the requests for generation that they become."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace
from typing_extensions import override

from edge_rt.api.allowance import Terms
from edge_rt.api.ollama.options import (
    KEPT,
    KeepAlive,
    OllamaOptions,
    check_keep_alive,
    check_options,
)
from edge_rt.api.openai.chat import ChatRequest
from edge_rt.api.openai.completions import CompletionsRequest
from edge_rt.api.openai.constraint import ResponseFormat
from edge_rt.api.openai.fields import StreamOptions
from edge_rt.api.openai.messages import (
    MOST,
    ChatMessage,
    Content,
    FunctionCall,
    Part,
    PlacedImage,
    Tool,
    ToolCall,
    content_of,
)
from edge_rt.core.errors import RequestError, invalid

Images = Annotated[list[str], Meta(max_length=MOST)]


class OllamaCall(msgspec.Struct, frozen=True):
    """One call of a tool by the assistant; `arguments` are an object."""

    function: FunctionCall
    id: str | None = None


class OllamaMessage(msgspec.Struct, frozen=True):
    """One message as clients of Ollama send it."""

    role: str
    """`system`, `user`, `assistant` or `tool`."""
    content: str | None = None
    """The text."""
    thinking: str | None = None
    """What the assistant thought before it answered."""
    images: Images | None = None
    """Files of images in base64, for models that see."""
    tool_calls: Annotated[list[OllamaCall], Meta(max_length=MOST)] | None = None
    """The calls that the assistant made."""
    tool_name: str | None = None
    """Of a tool's result, the tool; default: results answer the calls in their order."""
    tool_call_id: str | None = None
    """Of a tool's result, the id of the call."""


def _content(text: str | None, images: list[str] | None, at: str) -> Content:
    """Return a content of images, which are the field `at`, and the text behind them."""
    seen = [
        PlacedImage(image_url=f"data:;base64,{image}", at=f"{at}[{place}]")
        for place, image in enumerate(images or ())
    ]
    return content_of([*seen, Part("text", text=text or "")])


def chat_messages(messages: list[OllamaMessage]) -> list[ChatMessage]:
    """Return the messages in the shape of a chat completion.

    Calls get ids, and a result without id and name is that of the first call without one.
    """
    waiting: deque[ToolCall] = deque()  # calls whose results have not come yet
    made: list[ChatMessage] = []
    for place, message in enumerate(messages):
        content = _content(message.content, message.images, f"messages[{place}].images")
        if message.role == "tool":
            made.append(replace(_result(message, waiting), content=content))
            continue
        calls = [
            ToolCall(call.function, call.id or f"call{place:02d}{index:03d}"[:9])
            for index, call in enumerate(message.tool_calls or ())
        ]
        waiting.extend(calls)
        made.append(
            ChatMessage(
                message.role,
                content,
                tool_calls=calls or None,
                reasoning_content=message.thinking,
            )
        )
    return made


def _result(message: OllamaMessage, waiting: deque[ToolCall]) -> ChatMessage:
    """Return the id and name of the call whose result this is, which then waits no more."""
    for call in waiting:
        by_id = message.tool_call_id in (None, call.id)
        name = call.function.name
        if by_id and message.tool_name in (None, name):
            waiting.remove(call)
            return ChatMessage("tool", name=name, tool_call_id=call.id)
    return ChatMessage("tool", name=message.tool_name, tool_call_id=message.tool_call_id)


class OllamaFields(msgspec.Struct, frozen=True, kw_only=True):
    """What /api/chat and /api/generate share; a field that is null is a field left out."""

    model: Annotated[str, Meta(min_length=1)]
    """Name of a model, with or without `:latest`; also `default` and `auto`."""
    stream: bool | None = None
    """Whether the answer comes as lines of JSON. Default: true."""
    format: str | dict[str, Any] | None = None
    """`json`, or a JSON Schema; objects have no properties but those that it names, unless it says
    otherwise."""
    options: OllamaOptions | None = None
    """How the answer is sampled."""
    think: bool | Literal["low", "medium", "high"] | None = None
    """Whether the model is to think, or how much. Default: as it usually does."""
    keep_alive: KeepAlive | None = None
    """0: the model leaves memory after the answer, unless others use it. Anything else is not
    honoured, which a warning tells: models leave memory as the configuration says."""
    truncate: bool | None = None
    """Changes nothing: a prompt that does not fit is an error."""
    shift: bool | None = None
    """Changes nothing either."""
    logprobs: bool | None = None
    """Whether each token comes with its log-probability."""
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    """How many alternatives come with each token."""
    edge: Terms | None = None
    """What the answer may take and how it is made."""

    @property
    def sampled(self) -> OllamaOptions:
        """The options, checked; raises RequestError."""
        options = self.options or OllamaOptions()
        check_options(options)
        return options

    @property
    def unloads(self) -> bool:
        """Whether the model is to leave memory at once; raises RequestError."""
        return check_keep_alive(self.keep_alive)

    def told(self) -> Iterator[str]:
        """Return what of these fields is not honoured."""
        if self.keep_alive is not None and not self.unloads:
            yield KEPT


class OllamaChatRequest(OllamaFields, frozen=True, kw_only=True):
    """A conversation that the assistant is to continue; without messages the model is loaded."""

    messages: Annotated[list[OllamaMessage], Meta(max_length=MOST)] = []
    """The conversation so far."""
    tools: Annotated[list[Tool], Meta(max_length=MOST)] | None = None
    """Functions that the model may call."""


class OllamaGenerateRequest(OllamaFields, frozen=True, kw_only=True):
    """A prompt that is to be answered; without one the model is loaded."""

    prompt: str | None = None
    """What the user says, or with `raw` the text that is to be continued."""
    system: str | None = None
    """What the system says before."""
    raw: bool | None = None
    """Whether the prompt is read as it is, without the model's template."""
    images: Images | None = None
    """Files of images in base64, for models that see."""
    suffix: str | None = None
    """Text behind the gap that the answer fills, for models with tokens for that; without the
    template as well."""

    @property
    def untemplated(self) -> bool:
        """Whether the prompt does without the model's template."""
        return bool(self.raw or self.suffix)


def asks_nothing(asked: OllamaChatRequest | OllamaGenerateRequest) -> bool:
    """Return whether a body has nothing to answer: the model is to be loaded."""
    return not (asked.messages if isinstance(asked, OllamaChatRequest) else asked.prompt)


def chat_request(asked: OllamaChatRequest | OllamaGenerateRequest) -> ChatRequest:
    """Return the chat completion that a body stands for; raises RequestError."""
    if isinstance(asked, OllamaChatRequest):
        messages, tools = chat_messages(asked.messages), asked.tools
    else:
        said = [("system", asked.system), ("user", _content(asked.prompt, asked.images, "images"))]
        messages, tools = [ChatMessage(role, text) for role, text in said if text], None
    effort = asked.think if isinstance(asked.think, str) else None
    request = ChatRequest(
        messages=messages,
        tools=tools,
        logprobs=asked.logprobs,
        top_logprobs=asked.top_logprobs,
        reasoning_effort=effort,
        edge=_terms(asked),
        **_fields(asked),
    )
    request.check()
    return request


class _RawRequest(CompletionsRequest, frozen=True, kw_only=True):
    """A text that is to be continued as far as that goes."""

    @property
    @override
    def most_tokens(self) -> int | None:
        return self.max_tokens


def raw_request(asked: OllamaGenerateRequest) -> CompletionsRequest:
    """Return the completion that an untemplated body stands for; raises RequestError."""
    field = "suffix" if asked.suffix else "raw"
    fields = ("system", asked.system), ("think", asked.think), ("images", asked.images)
    for name, value in fields:
        if value:
            message = f"`{name}` cannot go with `{field}`: write it into the prompt."
            raise RequestError(message, param=name, code="invalid_value")
    top = (asked.top_logprobs or 0) if asked.logprobs else None
    request = _RawRequest(
        prompt=asked.prompt or "",
        suffix=asked.suffix,
        logprobs=top,
        edge=asked.edge,
        **_fields(asked),
    )
    _ = request.constraint  # raises RequestError
    return request


def _fields(asked: OllamaFields) -> dict[str, Any]:
    options = asked.sampled
    return {
        "model": asked.model,
        "stream": asked.stream is not False,
        "stream_options": StreamOptions(include_usage=True),
        "response_format": _response_format(asked.format),
        "max_tokens": options.most_tokens,
        **options.sampling,
    }


def _response_format(format: str | dict[str, Any] | None) -> ResponseFormat | None:
    """Return the format; a keyword of a schema that cannot be enforced is an error."""
    if format is None or format == "":
        return None
    if isinstance(format, str) and format != "json":
        raise invalid("format", f'expected "json" or a JSON Schema, got {format!r:.60}')
    return ResponseFormat("json_object", schema=format if isinstance(format, dict) else None)


def _terms(asked: OllamaFields) -> Terms | None:
    """Return the field `edge`, with `think` in it, unless it has that itself."""
    if not isinstance(asked.think, bool):
        return asked.edge
    terms = asked.edge or Terms()
    think = terms.think or ("on" if asked.think else "off")
    return msgspec.structs.replace(terms, think=think)
