"""What the process that fills in chat templates is asked and answers, in frames of JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, cast

import msgspec

from edge_rt.core.chat_format import ChatFormat, PromptEnd
from edge_rt.core.errors import ModelFileError, RequestError

# What marks turns in common templates, should a vocabulary not call it a control token.
_USUAL = (
    r"<\|[^|<>\s]{1,64}\|>",
    "<\uff5c[^\uff5c<>\\s]{1,64}\uff5c>",
    "</?s>",
    "<(?:start|end)_of_turn>",
)


class Template(msgspec.Struct, frozen=True):
    """A model's template, and the control tokens that messages may not hold."""

    source: str | None
    bos_token: str | None
    eos_token: str | None
    control_tokens: tuple[str, ...]
    mark: str  # that is put into them; see Disarmed


class TemplateTask(msgspec.Struct, frozen=True, tag=True):
    """What to fill a template with; see ChatTemplate.render."""

    template: Template
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None = None
    variables: dict[str, Any] | None = None
    end: PromptEnd = "assistant"


class AnalysisTask(msgspec.Struct, frozen=True, tag=True):
    """A template that is to tell how the model's answers are written."""

    template: Template


class Filled(msgspec.Struct, frozen=True, tag=True):
    """The prompt."""

    prompt: str


class Analysed(msgspec.Struct, frozen=True, tag=True):
    """What the template tells."""

    format: ChatFormat


class TemplateRefusal(msgspec.Struct, frozen=True, tag=True):
    """Why there is none: the model's file is at fault, or else the request."""

    message: str
    file: bool
    param: str | None = None
    code: str | None = None

    def error(self) -> ModelFileError | RequestError:
        """To be raised."""
        if self.file:
            return ModelFileError(self.message)
        return RequestError(self.message, param=self.param, code=self.code)


AnyTask = TemplateTask | AnalysisTask
AnyReply = Filled | Analysed | TemplateRefusal


class Disarmed:
    """Puts a mark into every control token that a text spells out, behind its first character."""

    def __init__(self, tokens: Iterable[str], mark: str) -> None:
        known = sorted({token for token in tokens if len(token) > 1})
        begins = "".join(sorted({re.escape(token[0]) for token in (*known, "<")}))
        ways = "|".join((*_USUAL, *map(re.escape, known)))
        # Looked at from each place on, for one token may begin within another.
        self._token: re.Pattern[str] = re.compile(f"(?=[{begins}])(?=(?:{ways}))(.)", re.DOTALL)
        self._marked: Callable[[re.Match[str]], str] = lambda found: found[1] + mark

    def text(self, text: str) -> str:
        """`text` with the marks."""
        return self._token.sub(self._marked, text)

    def all(self, value: object) -> Any:
        """Return a document of JSON in which every text has the marks."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.all(item) for item in cast("list[object]", value)]
        if isinstance(value, dict):
            items = cast("dict[str, object]", value).items()
            return {self.text(key): self.all(item) for key, item in items}
        return value
