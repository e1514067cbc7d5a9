"""Chat templates: a conversation written the way a model was trained to read it.

Templates are Jinja programs that come inside model files, so they run in Jinja's sandbox, which
keeps them away from everything but their arguments. It does not keep them from burning time and
memory, so the sandbox runs in a process of its own; see edge_rt.models.templates.worker.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import Template, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from typing_extensions import override

from edge_rt.core.errors import ModelFileError, RequestError

MAX_PROMPT = 16 * 1024 * 1024  # characters; no context holds as many
_CHANGES = ("append", "pop")
CONTENT = "zqcontent"
THOUGHT = "zqthought"
_USER = {"role": "user", "content": "zquser"}
_PARAMETERS = {
    "type": "object",
    "properties": {key: {"type": "string"} for key in ("zqkey", "zqother")},
}
_TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {"name": name, "description": "zqtool", "parameters": _PARAMETERS},
    }
    for name in ("zq_first", "zq_second")
]


class ChatTemplate:
    """A model's template, compiled once.

    `source` None is a model without a template: RequestError. A source that is not valid is a
    ModelFileError.
    """

    def __init__(
        self,
        source: str | None,
        bos_token: str | None,
        eos_token: str | None,
        *,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        if source is None:
            message = "this model has no chat template; use /v1/completions with the whole prompt"
            raise RequestError(message, param="model", code="no_chat_template")
        self._tokens = {"bos_token": bos_token or "", "eos_token": eos_token or ""}
        self.eos_token = eos_token or ""
        self._template = _compile(source, now)

    def render(
        self,
        messages: Sequence[Mapping[str, object]],
        tools: Sequence[Mapping[str, object]] | None = None,
        add_generation_prompt: bool = True,
        variables: Mapping[str, object] | None = None,
    ) -> str:
        """Return the prompt for `messages`; `variables` are further names that templates may know.

        Raises RequestError with param "messages" when the template refuses or fails on them,
        ModelFileError when it does what no template may.
        """
        context: dict[str, object] = {
            **(variables or {}),
            **self._tokens,
            "messages": deepcopy(messages),  # templates may change lists
            "tools": deepcopy(tools),
            "add_generation_prompt": add_generation_prompt,
        }
        try:
            return _limited(self._template.generate(context))
        except RequestError:
            raise
        except _Refusal as refusal:
            message = f"the model's chat template refuses these messages: {refusal}"
            raise RequestError(message, param="messages", code="template_refusal") from None
        except (SecurityError, OverflowError, MemoryError, RecursionError) as error:
            raise ModelFileError(f"the model's chat template is not safe: {error}") from error
        except Exception as error:  # whatever the template's own code raises
            reason = f"{type(error).__name__}: {error}"
            message = f"the model's chat template fails on these messages: {reason}"
            raise RequestError(message, param="messages", code="template_failure") from error


def _compile(source: str, now: Callable[[], datetime]) -> Template:
    environment = _Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
    )
    environment.filters["tojson"] = _tojson
    try:
        return environment.from_string(source, _globals(now))
    except TemplateSyntaxError as error:
        place = f"the model's chat template, line {error.lineno}"
        raise ModelFileError(f"{place}: {error.message}") from error
    except (RecursionError, MemoryError, OverflowError, SyntaxError) as error:
        raise ModelFileError(f"the model's chat template cannot be compiled: {error}") from error


def _globals(now: Callable[[], datetime]) -> dict[str, object]:
    def strftime_now(format: str) -> str:
        return now().strftime(format)

    return {"raise_exception": _refuse, "strftime_now": strftime_now}


def _limited(pieces: Iterator[str]) -> str:
    taken: list[str] = []
    length = 0
    for piece in pieces:
        taken.append(piece)
        length += len(piece)
        if length > MAX_PROMPT:
            message = f"the messages make a prompt of more than {MAX_PROMPT} characters"
            raise RequestError(message, param="messages", code="context_length_exceeded")
    return "".join(taken)


class _Refusal(Exception):
    """What a template says when it cannot put these messages into words."""


def _refuse(message: str) -> NoReturn:
    raise _Refusal(message)


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as models have seen it; Jinja's own filter escapes it for HTML."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


class _Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox, with the two operators bounded that make much out of little.

    Jinja computes constants while compiling, unless their operator is intercepted.
    """

    intercepted_binops = frozenset({"*", "**"})

    @override
    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow lists to grow and shrink, too, for templates that count calls in one."""
        return (isinstance(obj, list) and attr in _CHANGES) or super().is_safe_attribute(
            obj, attr, value
        )

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            raise SecurityError("a power")
        for factor, other in ((left, right), (right, left)):
            if isinstance(factor, (str, list, tuple)) and isinstance(other, int):
                size = len(factor)  # pyright: ignore[reportUnknownArgumentType]
                if size * other > MAX_PROMPT:
                    raise SecurityError(f"{size} times {other}")
        return left * right


class _Generation(Extension):
    """The block `generation`, which marks the assistant's words for training; here just a block."""

    tags = {"generation"}  # noqa: RUF012 (as Jinja declares it)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


@dataclass(frozen=True)
class ProbeCall:
    """A call whose parts are found again in the rendered text."""

    name: str
    arguments: Mapping[str, object]
    id: str  # nine letters and digits, which Mistral's templates insist on


FIRST = ProbeCall("zq_first", {"zqkey": "zqvalue"}, "zqid00001")
SECOND = ProbeCall("zq_second", {"zqother": "zqmore"}, "zqid00002")
LONG = ProbeCall("zq_first", {"zqkey": "zqvalue", "zqother": "zqmore"}, "zqid00001")


class TemplateProbe:
    """Renders one template; None stands for a refusal."""

    def __init__(self, chat: ChatTemplate, *, arguments_as_text: bool = False) -> None:
        """`arguments_as_text`: calls have their arguments as a JSON string, not as an object."""
        self._chat, self._as_text = chat, arguments_as_text

    @property
    def end(self) -> str:
        """The token that ends an answer."""
        return self._chat.eos_token

    def tells_of_tools(self) -> bool:
        """Return whether prompts change with tools."""
        return self._render([_USER]) != self._render([_USER], tools=None)

    def content(self, **more: str) -> str | None:
        """Return a conversation in which the assistant says CONTENT.

        `more` are fields of that message.
        """
        return self._render([_USER, {"role": "assistant", "content": CONTENT, **more}])

    def calls(self, *calls: ProbeCall) -> str | None:
        """Return a conversation in which the assistant makes these calls."""
        made = [self._call(call) for call in calls]
        return self._render([_USER, {"role": "assistant", "content": "", "tool_calls": made}])

    def prompt(self, variables: Mapping[str, object]) -> str | None:
        """Return a prompt that ends where the assistant speaks; None where none does."""
        written = self._render([_USER], variables, prompt=True)
        return None if written == self._render([_USER], variables) else written

    def _call(self, call: ProbeCall) -> dict[str, Any]:
        arguments = json.dumps(call.arguments) if self._as_text else dict(call.arguments)
        function = {"name": call.name, "arguments": arguments}
        return {"id": call.id, "type": "function", "function": function}

    def _render(
        self,
        messages: Sequence[Mapping[str, object]],
        variables: Mapping[str, object] | None = None,
        *,
        prompt: bool = False,
        tools: list[dict[str, Any]] | None = _TOOLS,
    ) -> str | None:
        try:
            return self._chat.render(messages, tools, prompt, variables)
        except (RequestError, ModelFileError):
            return None
