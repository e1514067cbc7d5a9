"""Messages and tools of chats, from OpenAI's fields to what templates and grammars read."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta

from edge_rt.api.middleware.decode import describe, unknown_field
from edge_rt.core import images
from edge_rt.core.errors import RequestError, invalid, missing
from edge_rt.generation.tools.grammar import CallRules
from edge_rt.models.record import blind

MOST = 4096  # messages of a chat, parts of a message, and tools: more than fit into a context
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
IMAGES = ("image_url", "input_image")  # types of parts
_MEDIA = {
    "input_audio": "hear audio",
    "input_file": "read files",
    "file": "read files",
}
_NAME = re.compile(r"[\w./-]{1,128}")


class ImageUrl(msgspec.Struct, frozen=True):
    """An image; nothing is fetched from a network."""

    url: str
    """A `data:` URL with a PNG, JPEG, WebP or GIF in base64, or a `file:` URL."""


class Part(msgspec.Struct, frozen=True):
    """One part of a content; the type says which of the fields holds it."""

    type: str
    """A type of text or of images, or `refusal`."""
    text: str | None = None
    refusal: str | None = None
    image_url: ImageUrl | str | None = None
    """Of an image, for models that see."""

    @property
    def url(self) -> str | None:
        """Where the image is."""
        return self.image_url.url if isinstance(self.image_url, ImageUrl) else self.image_url


class PlacedImage(Part, frozen=True, kw_only=True):
    """An image of a request in another API's words, which stands there at `at`."""

    type: str = IMAGES[0]
    at: str


Content = str | Annotated[list[Part], Meta(max_length=MOST)]


class FunctionCall(msgspec.Struct, frozen=True):
    """The function that the assistant called; OpenAI's `arguments` are JSON in a string."""

    name: str
    arguments: str | dict[str, Any] = "{}"


class ToolCall(msgspec.Struct, frozen=True):
    """One call of a tool by the assistant."""

    function: FunctionCall
    id: str | None = None
    type: str = "function"


class ChatMessage(msgspec.Struct, frozen=True):
    """One message as clients send it."""

    role: str
    content: Content | None = None
    name: str | None = None
    tool_calls: Annotated[list[ToolCall], Meta(max_length=MOST)] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None
    refusal: str | None = None
    reasoning_content: str | None = None


def template_messages(messages: list[ChatMessage]) -> list[dict[str, object]]:
    """Return the messages as templates read them; raises RequestError naming the field at fault.

    Texts are joined by newlines, a developer speaks as the system, a function as a tool,
    and the arguments of tool calls become objects, which is what templates print as JSON.
    """
    return [_message(message, f"messages[{i}]") for i, message in enumerate(messages)]


def _message(message: ChatMessage, at: str) -> dict[str, object]:
    if message.role not in ROLES:
        what = f"expected one of {', '.join(ROLES)}, got {describe(message.role)}"
        raise invalid(f"{at}.role", what)
    if message.role == "function" and not message.name:
        text = f"`{at}.name` is required: it is that of the function."
        raise RequestError(text, param=f"{at}.name", code="missing_required_parameter")
    role = {"developer": "system", "function": "tool"}.get(message.role, message.role)
    result: dict[str, object] = {"role": role, "content": _content(message, f"{at}.content")}
    if message.name is not None:
        result["name"] = message.name
    if role == "assistant":
        result |= _made(message)
    if role == "tool" and message.tool_call_id is not None:
        result["tool_call_id"] = message.tool_call_id
    return result


def _made(message: ChatMessage) -> dict[str, object]:
    """Return what an assistant's message holds besides content."""
    calls = list(message.tool_calls or ())
    if message.function_call is not None:
        calls.append(ToolCall(message.function_call))
    made: dict[str, object] = {}
    if calls:
        made["tool_calls"] = [_tool_call(call) for call in calls]
    if message.reasoning_content:
        made["reasoning_content"] = message.reasoning_content
    return made


def _content(message: ChatMessage, at: str) -> str:
    """Return the text of a message.

    What the assistant refused with follows it in a line of its own.
    """
    text = None if message.content is None else joined(message.content, at, ("text",), '"text"')
    if message.role == "assistant" and message.refusal:
        return "\n".join(filter(None, (text, message.refusal)))
    if text is None and not _may_be_empty(message):
        words = (
            f"`{at}` is required; only a function's message, and an assistant's with tool_calls, "
            "refusal or reasoning_content, can do without."
        )
        raise RequestError(words, param=at, code="missing_required_parameter")
    return text or ""  # many templates join it to other text, which null cannot be


def _may_be_empty(message: ChatMessage) -> bool:
    said = message.tool_calls or message.function_call or message.reasoning_content
    refused = message.refusal is not None
    return message.role == "function" or (message.role == "assistant" and (bool(said) or refused))


def joined(content: Content, at: str, texts: Collection[str], wanted: str) -> str:
    """Return the text of a content that stands at `at`, with parts of the types `texts`.

    `wanted` names these. Raises RequestError for a part that is none.
    """
    if isinstance(content, str):
        return content
    parts = (_part(part, f"{at}[{i}]", texts, wanted) for i, part in enumerate(content))
    return images.joined(parts)


def content_of(parts: Sequence[Part]) -> Content:
    """Return texts and images of another API's request as the content of a message."""
    if any(part.type in IMAGES for part in parts):
        return list(parts)
    return images.joined(part.text or "" for part in parts)


def placed(content: Content, at: str, texts: Collection[str], wanted: str) -> Content:
    """Return a content that stands at `at` of another API's request, as `joined` where it is text.

    Images know their places.
    """
    if isinstance(content, str):
        return content
    return content_of(
        [_placed(part, f"{at}[{i}]", texts, wanted) for i, part in enumerate(content)]
    )


def _placed(part: Part, at: str, texts: Collection[str], wanted: str) -> Part:
    if part.type not in IMAGES:
        return Part("text", text=_part(part, at, texts, wanted))
    if part.url is None:
        raise missing(f"{at}.image_url")
    return PlacedImage(image_url=part.url, at=at)


def _part(part: Part, at: str, texts: Collection[str], wanted: str) -> str:
    if part.type in IMAGES:
        raise blind(at)
    if part.type in _MEDIA:
        text = f"`{at}`: this model cannot {_MEDIA[part.type]}; send text only."
        raise RequestError(text, param=at, code="unsupported_content")
    if part.type not in texts and part.type != "refusal":
        raise invalid(f"{at}.type", f"expected {wanted}, got {describe(part.type)}")
    name = "refusal" if part.type == "refusal" else "text"
    content: str | None = getattr(part, name)
    if content is None:
        raise missing(f"{at}.{name}")
    return content


def _tool_call(call: ToolCall) -> dict[str, object]:
    arguments = call.function.arguments
    if isinstance(arguments, str):
        # Where a model wrote no valid JSON, templates get the text.
        with suppress(msgspec.DecodeError, RecursionError):
            arguments = msgspec.json.decode(arguments, type=dict[str, Any])
    function = {"name": call.function.name, "arguments": arguments}
    result: dict[str, object] = {"type": call.type, "function": function}
    return result if call.id is None else {"id": call.id, **result}


def last_said(messages: list[ChatMessage]) -> str:
    """Return the text of the last message of the user; "" without any."""
    content = next((m.content for m in reversed(messages) if m.role == "user"), None)
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part.text for part in content if part.text is not None)


class Function(msgspec.Struct, frozen=True):
    """The fields of a function that the model may call, which is told to it as a dict."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct, frozen=True):
    """One function that the model may call; its description goes to the template as it came."""

    function: Annotated[dict[str, Any], Function]
    type: Literal["function"] = "function"


@dataclass(frozen=True)
class ToolUse:
    """The tools of one request: what the model is told of, and which calls it may make."""

    told: list[dict[str, Any]]
    rules: CallRules
    legacy: bool = False  # they came as `functions`


def tool_use(
    tools: Sequence[Tool] | None,
    functions: Sequence[dict[str, Any]] | None,
    choice: object,
    *,
    parallel: bool,
) -> ToolUse | None:
    """Return the tools to tell the model of; None: none are there or wanted.

    `choice` is that of `tools`, or of the older `functions` where these came. Raises RequestError
    with the field at fault.
    """
    legacy = bool(functions) and not tools
    field, inner = ("functions", "") if legacy else ("tools", ".function")
    given = functions if legacy else [tool.function for tool in tools or ()]
    told = [_function(one, f"{field}[{i}]{inner}") for i, one in enumerate(given or ())]
    all_names = [one["name"] for one in told]
    twin = next((name for i, name in enumerate(all_names) if name in all_names[:i]), None)
    if twin is not None:
        raise invalid(field, f"two functions have the name {describe(twin)}")
    choice_field = "function_call" if legacy else "tool_choice"
    required, names, several = _choice(choice, all_names, choice_field)
    if not names:
        return None
    schemas: dict[str, dict[str, Any]] = {
        one["name"]: one.get("parameters") or {} for one in told if one["name"] in names
    }
    strict = frozenset(one["name"] for one in told if one.get("strict"))
    rules = CallRules(schemas, required, parallel and several and not legacy, strict)
    # `strict` is for the grammar: no model was trained on tools that have it.
    shown = [{key: value for key, value in one.items() if key != "strict"} for one in told]
    return ToolUse([{"type": "function", "function": one} for one in shown], rules, legacy)


def _function(function: dict[str, Any], at: str) -> dict[str, Any]:
    name, parameters = function.get("name"), function.get("parameters")
    if name is None:
        raise missing(f"{at}.name")
    if not isinstance(name, str):
        raise invalid(f"{at}.name", f"expected string, got {describe(name)}")
    if not _NAME.fullmatch(name):
        raise invalid(f"{at}.name", f"expected letters, digits and _ . / -, got {describe(name)}")
    if parameters is not None and not isinstance(parameters, dict):
        raise invalid(f"{at}.parameters", f"expected a JSON Schema, got {describe(parameters)}")
    for key, kind, wanted in (("properties", dict, "an object"), ("required", list, "an array")):
        value = cast("dict[str, Any]", parameters or {}).get(key)
        if value is not None and not isinstance(value, kind):
            raise invalid(f"{at}.parameters.{key}", f"expected {wanted}, got {describe(value)}")
    return function


def _choice(choice: object, names: list[str], field: str) -> tuple[bool, list[str], bool]:
    """Return whether a call is required, of which tools, and whether there may be several."""
    if choice is None or choice in ("auto", "none", "required"):
        if choice == "required" and not names:
            raise invalid(field, '"required" needs `tools` to choose from')
        return choice == "required", [] if choice == "none" else names, True
    if not isinstance(choice, dict):
        what = f'expected "none", "auto", "required" or an object, got {describe(choice)}'
        raise invalid(field, what)
    told = cast("dict[str, Any]", choice)
    if told.get("type") == "allowed_tools":
        _only(told, ("type", "allowed_tools"), field)
        return _allowed(told.get("allowed_tools"), names, field)
    _only(told, ("type", "function", "name"), field)
    if isinstance(inner := told.get("function"), dict):
        _only(cast("dict[str, Any]", inner), ("name",), f"{field}.function")
    return True, [_known(_named(told), names, field)], False


def _allowed(allowed: object, names: list[str], field: str) -> tuple[bool, list[str], bool]:
    if not isinstance(allowed, dict):
        raise invalid(f"{field}.allowed_tools", f"expected an object, got {describe(allowed)}")
    told = cast("dict[str, Any]", allowed)
    _only(told, ("type", "mode", "tools"), f"{field}.allowed_tools")
    if told.get("mode") not in (None, "auto", "required"):
        what = f'expected "auto" or "required", got {describe(told["mode"])}'
        raise invalid(f"{field}.allowed_tools.mode", what)
    listed: object = told.get("tools") or []
    if not isinstance(listed, list):
        raise invalid(field, f"expected an array of tools, got {describe(listed)}")
    # Some clients send each tool's whole definition again, so that its other fields may be here.
    chosen = [_known(_named(one), names, field) for one in cast("list[object]", listed)]
    return told.get("mode") == "required", chosen, True


def _named(tool: object) -> object:
    """Return the name of the function that a choice tells, in either of its forms."""
    told = cast("dict[str, Any]", tool) if isinstance(tool, dict) else {}
    inner: object = told.get("function") or told
    return cast("dict[str, Any]", inner).get("name") if isinstance(inner, dict) else None


def _only(told: dict[str, Any], known: tuple[str, ...], at: str) -> None:
    for name in told:
        if name not in known and told[name] is not None:
            raise unknown_field(at, name)


def _known(name: object, names: list[str], field: str) -> str:
    if not isinstance(name, str) or name not in names:
        raise invalid(field, f"no function of the request has the name {describe(name)}")
    return name
