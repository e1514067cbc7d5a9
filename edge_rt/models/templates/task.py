"""What the process that fills in chat templates is asked, and what it answers."""

from __future__ import annotations

from typing import Any

import msgspec

from edge_rt.core.chat_format import ChatFormat, PromptEnd
from edge_rt.core.errors import ModelFileError, RequestError

LENGTH = 4  # bytes, big-endian, before each document of JSON


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
