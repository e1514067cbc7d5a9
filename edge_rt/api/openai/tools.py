"""The tools of a chat request."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from edge_rt.api.middleware.decode import describe
from edge_rt.api.openai.unsupported import unsupported
from edge_rt.core.errors import RequestError


class Tool(msgspec.Struct, frozen=True):
    """One function that the model may call; its description goes to the template as it came."""

    function: dict[str, Any]
    type: Literal["function"] = "function"


def template_tools(tools: list[Tool] | None, choice: object) -> list[dict[str, object]] | None:
    """The tools as templates read them, None when there are none to tell of.

    Raises RequestError for a tool without a name and for choices that force a call, which cannot
    be guaranteed.
    """
    if choice not in (None, "none", "auto"):
        shown = describe(choice)
        message = f'`tool_choice`: only "none" and "auto" are supported, got {shown}.'
        raise unsupported("tool_choice", message)
    if not tools or choice == "none":
        return None
    return [_tool(tool, f"tools[{i}].function.name") for i, tool in enumerate(tools)]


def _tool(tool: Tool, at: str) -> dict[str, object]:
    if not isinstance(tool.function.get("name"), str):
        message = f"`{at}`: expected string, got {describe(tool.function.get('name'))}."
        raise RequestError(message, param=at, code="invalid_value")
    return {"type": tool.type, "function": tool.function}
