"""Short conversations that a chat template is rendered with, to compare what comes out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.models.templates.chat_template import ChatTemplate

CONTENT = "zqcontent"
THOUGHT = "zqthought"
_USER = {"role": "user", "content": "zquser"}


@dataclass(frozen=True)
class ProbeCall:
    """A call whose parts are found again in the rendered text."""

    name: str
    arguments: Mapping[str, str]
    id: str  # nine letters and digits, which Mistral's templates insist on


FIRST = ProbeCall("zq_first", {"zqkey": "zqvalue"}, "zqid00001")
SECOND = ProbeCall("zq_second", {"zqother": "zqmore"}, "zqid00002")
LONG = ProbeCall("zq_first", {"zqkey": "zqvalue", "zqother": "zqmore"}, "zqid00001")


def _tool(name: str) -> dict[str, Any]:
    kinds = {key: {"type": "string"} for key in ("zqkey", "zqother")}
    parameters = {"type": "object", "properties": kinds}
    function = {"name": name, "description": "zqtool", "parameters": parameters}
    return {"type": "function", "function": function}


class TemplateProbe:
    """Renders one template; None stands for a refusal."""

    def __init__(self, chat: ChatTemplate, *, arguments_as_text: bool = False) -> None:
        """`arguments_as_text`: calls have their arguments as a JSON string, not as an object."""
        self._chat, self._as_text = chat, arguments_as_text

    def content(self, **more: str) -> str | None:
        """A conversation in which the assistant says CONTENT; `more` are fields of that message."""
        return self._render([_USER, {"role": "assistant", "content": CONTENT, **more}])

    def calls(self, *calls: ProbeCall) -> str | None:
        """A conversation in which the assistant makes these calls."""
        made = [self._call(call) for call in calls]
        return self._render([_USER, {"role": "assistant", "content": "", "tool_calls": made}])

    def prompt(self, variables: Mapping[str, object]) -> str | None:
        """A prompt that ends where the assistant speaks."""
        return self._render([_USER], variables, prompt=True)

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
    ) -> str | None:
        tools = [_tool(FIRST.name), _tool(SECOND.name)]
        try:
            return self._chat.render(messages, tools, prompt, variables)
        except (RequestError, ModelFileError):
            return None
