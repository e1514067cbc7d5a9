"""The bodies of Anthropic's Messages API, and the chat completions that they become.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edge_rt.api.allowance import Terms, ThinkTerms
from edge_rt.api.middleware.decode import describe
from edge_rt.api.openai.chat import ChatRequest
from edge_rt.api.openai.constraint import JsonSchemaFormat, ResponseFormat
from edge_rt.api.openai.fields import Count, Share, StopString, StreamOptions
from edge_rt.api.openai.messages import (
    MOST,
    ChatMessage,
    FunctionCall,
    Part,
    PlacedImage,
    Tool,
    ToolCall,
    content_of,
)
from edge_rt.api.openai.unsupported import unsupported
from edge_rt.core.errors import RequestError, invalid, missing

TOOL_ID = "toolu_"  # what the ids of calls begin with in this API, and nowhere else
NO_THREAD = "thread_unsupported_request"  # at which clients send the whole conversation
_MEDIA = {"image": "see images", "document": "read documents"}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


class BlockSource(msgspec.Struct, frozen=True):
    """Where an image is; nothing is fetched from a network."""

    type: str
    """`base64` or `url`."""
    data: str | None = None
    """Of the type `base64`, the file: a PNG, JPEG, WebP or GIF."""
    url: str | None = None
    """A `data:` or `file:` URL."""


class TextContentBlock(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the content of a tool's result."""

    type: str
    """`text` or `image`."""
    text: str | None = None
    """The text."""
    source: BlockSource | None = None
    """Of an image, for models that see."""


class MessageBlock(TextContentBlock, frozen=True, kw_only=True):
    """One part of a content; the type says which of the fields it has."""

    type: str
    """`text`, `image`, `thinking`, `redacted_thinking`, `tool_use` or `tool_result`."""
    thinking: str | None = None
    """Of thoughts that the assistant had before."""
    id: str | None = None
    """Of a call."""
    name: str | None = None
    """Of a call, the tool."""
    input: dict[str, Any] | None = None
    """Of a call, its arguments."""
    tool_use_id: str | None = None
    """Of a tool's result, the id of its call."""
    content: str | Annotated[list[TextContentBlock], Meta(max_length=MOST)] | None = None
    """Of a tool's result."""
    is_error: bool | None = None
    """Whether a tool's result is an error: the model reads it behind the word Error."""


Blocks = Annotated[list[MessageBlock], Meta(max_length=MOST)]


class ConversationTurn(msgspec.Struct, frozen=True):
    """One turn of the conversation."""

    role: str
    """`user` or `assistant`."""
    content: str | Blocks
    """The text, or blocks."""


class MessageTool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the model may call."""

    name: str
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    """JSON Schema of the arguments."""
    type: str | None = None
    """`custom`, which is the default: there are no built-in tools."""
    strict: bool | None = None
    """Whether the arguments follow the schema exactly."""


class ToolChoice(msgspec.Struct, frozen=True):
    """Which tools the model may call."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    """Of the type `tool`, the tool that is to be called."""
    disable_parallel_tool_use: bool | None = None
    """Whether there is at most one call."""


class Thinking(msgspec.Struct, frozen=True):
    """Whether and how long a model thinks."""

    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    """Most tokens of the thoughts."""


class OutputFormat(msgspec.Struct, frozen=True):
    """A JSON Schema of the answer."""

    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(msgspec.Struct, frozen=True):
    """How the answer is made."""

    effort: str | None = None
    """Not honoured, which a warning tells."""
    format: OutputFormat | None = None
    """What the text of the answer is to be."""


class CountMessageTokensRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation whose tokens are counted; a field that is null is left out."""

    model: Annotated[str, Meta(min_length=1)]
    """Id of a model, `default` or `auto`; with `@` a variant of it."""
    messages: Annotated[list[ConversationTurn], Meta(min_length=1, max_length=MOST)]
    """The conversation so far; the answer goes on with a last one of the assistant's."""
    system: str | Blocks | None = None
    """What the system says before."""
    tools: Annotated[list[MessageTool], Meta(max_length=MOST)] | None = None
    """Functions that the model may call."""
    tool_choice: ToolChoice | None = None
    """Which of them. Default: `auto`."""
    thinking: Thinking | None = None
    """Whether and how long a model that can think does. Default: as it usually does."""
    output_config: OutputConfig | None = None
    """How the answer is made."""
    output_format: OutputFormat | None = None
    """The older place of `output_config.format`."""
    cache_control: Any = None
    context_management: Any = None


class MessagesRequest(CountMessageTokensRequest, frozen=True, kw_only=True):
    """A conversation that the assistant is to continue."""

    max_tokens: Count
    """Most tokens of the answer, thoughts among them."""
    stream: bool | None = None
    """Whether the answer comes as events."""
    stop_sequences: Annotated[list[StopString], Meta(max_length=16)] | None = None
    """Texts at which the answer ends."""
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    """0: always the likeliest token. Default: the model's own."""
    top_p: Share | None = None
    """Choose among the likeliest tokens with this probability together."""
    top_k: Annotated[int, Meta(ge=-1, le=2**31 - 1)] | None = None
    """Choose among so many of the likeliest tokens; -1 and 0: among all."""
    edge: Terms | None = None
    """What the answer may take and how it is made."""
    metadata: Any = None
    service_tier: Any = None
    inference_geo: Any = None
    speed: Any = None
    container: Any = None
    mcp_servers: Any = None
    thread: Any = None


def told(asked: CountMessageTokensRequest) -> Iterator[str]:
    """Return what of these fields is not honoured."""
    if asked.context_management:
        yield "context_management: not honoured, the whole conversation is read."
    if asked.output_config is not None and asked.output_config.effort is not None:
        yield "output_config.effort: not honoured, `thinking.budget_tokens` limits thoughts."


def chat_request(asked: CountMessageTokensRequest) -> ChatRequest:
    """Return the chat completion that a body stands for; raises RequestError."""
    choice, last = asked.tool_choice, asked.messages[-1]
    format = asked.output_format or (asked.output_config and asked.output_config.format)
    schema = None if format is None else JsonSchemaFormat("answer", schema=format.schema)
    request = ChatRequest(
        model=asked.model,
        messages=_messages(asked),
        tools=[_tool(tool, f"tools[{i}]") for i, tool in enumerate(asked.tools or ())] or None,
        tool_choice=None if choice is None else _choice(choice),
        parallel_tool_calls=False if choice and choice.disable_parallel_tool_use else None,
        response_format=schema and ResponseFormat("json_schema", schema),
        continue_final_message=last.role == "assistant" or None,
        stream_options=StreamOptions(include_usage=True),
        edge=_terms(asked),
        **(_sampled(asked) if isinstance(asked, MessagesRequest) else {}),
    )
    request.check()
    return request


def _sampled(asked: MessagesRequest) -> dict[str, Any]:
    if asked.thread is not None:
        message = "`thread` is not supported: answers are not kept, send the whole conversation."
        raise RequestError(message, param="thread", code=NO_THREAD)
    for name in ("container", "mcp_servers"):
        if getattr(asked, name):
            raise unsupported(name, f"`{name}` is not supported: your program runs the tools.")
    return {
        "max_tokens": asked.max_tokens,
        "stream": asked.stream,
        "stop": asked.stop_sequences,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "top_k": asked.top_k,
    }


def _terms(asked: CountMessageTokensRequest) -> Terms | None:
    """Return the field `edge`, with `thinking` in it, unless it has that itself."""
    terms = asked.edge if isinstance(asked, MessagesRequest) else None
    thinking = asked.thinking
    if thinking is None or (terms is not None and terms.think is not None):
        return terms
    limited = thinking.type == "enabled" and thinking.budget_tokens is not None
    on = "off" if thinking.type == "disabled" else "on"
    think = ThinkTerms(thinking.budget_tokens) if limited else on
    return msgspec.structs.replace(terms or Terms(), think=think)


def _tool(tool: MessageTool, at: str) -> Tool:
    if tool.type not in (None, "custom"):
        message = (
            f"`{at}.type`: {describe(tool.type)} is not supported: the only tools here are those "
            "that your program runs."
        )
        raise RequestError(message, param=f"{at}.type", code="unsupported_parameter")
    if tool.input_schema is None:
        raise missing(f"{at}.input_schema")
    said = {"description": tool.description, "strict": tool.strict}
    more = {name: value for name, value in said.items() if value is not None}
    return Tool({"name": tool.name, "parameters": tool.input_schema, **more})


def _choice(choice: ToolChoice) -> Any:
    if choice.type != "tool":
        return _CHOICES[choice.type]
    if choice.name is None:
        raise missing("tool_choice.name")
    return {"type": "function", "function": {"name": choice.name}}


def _messages(asked: CountMessageTokensRequest) -> list[ChatMessage]:
    """Return the messages in the shape of a chat completion; raises RequestError."""
    made: list[ChatMessage] = []
    if asked.system:
        made.append(ChatMessage("system", _text(asked.system, "system")))
    names: dict[str, str] = {}  # of tools, by the ids of their calls
    for place, message in enumerate(asked.messages):
        at = f"messages[{place}]"
        if message.role == "assistant":
            made.append(_assistant(message.content, f"{at}.content", names))
        elif message.role in ("user", "system"):
            made += _said(message, at, names)
        else:
            what = f"expected user or assistant, got {describe(message.role)}"
            raise invalid(f"{at}.role", what)
    return made


def _assistant(
    content: str | Sequence[MessageBlock], at: str, names: dict[str, str]
) -> ChatMessage:
    if isinstance(content, str):
        return ChatMessage("assistant", content)
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    for place, block in enumerate(content):
        if block.type == "thinking":
            thoughts.append(block.thinking or "")
        elif block.type == "tool_use":
            calls.append(_call(block, f"{at}[{place}]", names))
        elif block.type != "redacted_thinking":  # nobody here can read those
            texts.append(_block_text(block, f"{at}[{place}]"))
    thought = "\n".join(thoughts) or None
    return ChatMessage(
        "assistant", "".join(texts), tool_calls=calls or None, reasoning_content=thought
    )


def _call(block: MessageBlock, at: str, names: dict[str, str]) -> ToolCall:
    id, name = block.id, block.name
    if id is None or name is None:
        raise missing(f"{at}.id" if id is None else f"{at}.name")
    names[id] = name
    return ToolCall(FunctionCall(name, block.input or {}), id.removeprefix(TOOL_ID))


def _said(message: ConversationTurn, at: str, names: dict[str, str]) -> Iterator[ChatMessage]:
    """Yield what a user's turn holds: results of tools, and texts and images, as one in a row."""
    if isinstance(message.content, str):
        yield ChatMessage(message.role, message.content)
        return
    if not message.content:
        raise invalid(f"{at}.content", "expected at least one block, got none")
    parts: list[Part] = []
    for place, block in enumerate(message.content):
        where = f"{at}.content[{place}]"
        if block.type != "tool_result":
            parts.append(_part(block, where))
            continue
        if parts:
            yield ChatMessage(message.role, content_of(parts))
            parts = []
        yield _result(block, where, names)
    if parts:
        yield ChatMessage(message.role, content_of(parts))


def _result(block: MessageBlock, at: str, names: dict[str, str]) -> ChatMessage:
    id = block.tool_use_id
    if id is None:
        raise missing(f"{at}.tool_use_id")
    if id not in names:
        what = f"no tool_use block before it has the id {describe(id)}; send that turn, too"
        raise invalid(f"{at}.tool_use_id", what)
    said = block.content or ""
    said = [TextContentBlock(type="text", text=said)] if isinstance(said, str) else said
    parts = [_part(one, f"{at}.content[{i}]") for i, one in enumerate(said)]
    content = content_of(parts)
    if block.is_error:
        error = Part("text", text="Error:")
        content = f"Error: {content}" if isinstance(content, str) else [error, *content]
    return ChatMessage("tool", content, name=names[id], tool_call_id=id.removeprefix(TOOL_ID))


def _text(content: str | Sequence[TextContentBlock], at: str) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(_block_text(block, f"{at}[{i}]") for i, block in enumerate(content))


def _part(block: TextContentBlock, at: str) -> Part:
    if block.type != "image":
        return Part("text", text=_block_text(block, at))
    source = block.source
    if source is None:
        raise missing(f"{at}.source")
    if source.type == "base64" and source.data is not None:
        url = f"data:;base64,{source.data}"
    elif source.type == "url" and source.url is not None:
        url = source.url
    else:
        raise invalid(f"{at}.source", "expected the type base64 with data, or url with a url")
    return PlacedImage(image_url=url, at=at)


def _block_text(block: TextContentBlock, at: str) -> str:
    if block.type in _MEDIA:
        message = f"`{at}`: this model cannot {_MEDIA[block.type]}; send text only."
        raise RequestError(message, param=at, code="unsupported_content")
    if block.type != "text":
        raise invalid(f"{at}.type", f'expected "text", got {describe(block.type)}')
    if block.text is None:
        raise missing(f"{at}.text")
    return block.text
