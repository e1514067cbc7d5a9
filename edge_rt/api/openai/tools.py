"""Tools of a chat completion, from OpenAI's fields to what templates and grammars read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, cast

import msgspec

from edge_rt.api.middleware.decode import describe
from edge_rt.core.errors import RequestError
from edge_rt.generation.tools.grammar import CallRules

_NAME = re.compile(r"[\w./-]{1,128}")


class Tool(msgspec.Struct, frozen=True):
    """One function that the model may call; its description goes to the template as it came."""

    function: dict[str, Any]
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
    """The tools to tell the model of; None: none are there or wanted.

    `choice` is that of `tools`, or of the older `functions` where these came. Raises RequestError
    with the field at fault.
    """
    legacy = bool(functions) and not tools
    field, inner = ("functions", "") if legacy else ("tools", ".function")
    given = functions if legacy else [tool.function for tool in tools or ()]
    told = [_function(one, f"{field}[{i}]{inner}") for i, one in enumerate(given or ())]
    _refuse_twins([one["name"] for one in told], field)
    choice_field = "function_call" if legacy else "tool_choice"
    required, names, several = _choice(choice, [one["name"] for one in told], choice_field)
    if not names:
        return None
    schemas: dict[str, dict[str, Any]] = {
        one["name"]: one.get("parameters") or {} for one in told if one["name"] in names
    }
    strict = frozenset(one["name"] for one in told if one.get("strict"))
    rules = CallRules(schemas, required, parallel and several and not legacy, strict)
    return ToolUse([{"type": "function", "function": one} for one in told], rules, legacy)


def _function(function: dict[str, Any], at: str) -> dict[str, Any]:
    name, parameters = function.get("name"), function.get("parameters")
    if not isinstance(name, str):
        _refuse(f"{at}.name", f"expected string, got {describe(name)}")
    if not _NAME.fullmatch(name):
        _refuse(f"{at}.name", f"expected letters, digits and _ . / -, got {describe(name)}")
    if parameters is not None and not isinstance(parameters, dict):
        _refuse(f"{at}.parameters", f"expected a JSON Schema, got {describe(parameters)}")
    for key, kind, wanted in (("properties", dict, "an object"), ("required", list, "an array")):
        value = cast("dict[str, Any]", parameters or {}).get(key)
        if value is not None and not isinstance(value, kind):
            _refuse(f"{at}.parameters.{key}", f"expected {wanted}, got {describe(value)}")
    return function


def _refuse_twins(names: list[str], field: str) -> None:
    twin = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twin is not None:
        _refuse(field, f"two functions have the name {describe(twin)}")


def _choice(choice: object, names: list[str], field: str) -> tuple[bool, list[str], bool]:
    """Whether a call is required, of which tools, and whether there may be several."""
    if choice is None or choice in ("auto", "none", "required"):
        if choice == "required" and not names:
            _refuse(field, '"required" needs `tools` to choose from')
        return choice == "required", [] if choice == "none" else names, True
    if not isinstance(choice, dict):
        _refuse(field, f'expected "none", "auto", "required" or an object, got {describe(choice)}')
    told = cast("dict[str, Any]", choice)
    if told.get("type") == "allowed_tools":
        return _allowed(told.get("allowed_tools"), names, field)
    return True, [_known(_named(told), names, field)], False


def _allowed(allowed: object, names: list[str], field: str) -> tuple[bool, list[str], bool]:
    if not isinstance(allowed, dict):
        _refuse(f"{field}.allowed_tools", f"expected an object, got {describe(allowed)}")
    told = cast("dict[str, Any]", allowed)
    listed: object = told.get("tools") or []
    if not isinstance(listed, list):
        _refuse(field, f"expected an array of tools, got {describe(listed)}")
    chosen = [_known(_named(one), names, field) for one in cast("list[object]", listed)]
    return told.get("mode") == "required", chosen, True


def _named(tool: object) -> object:
    """The name of the function that a choice tells, in either of its forms."""
    told = cast("dict[str, Any]", tool) if isinstance(tool, dict) else {}
    inner: object = told.get("function") or told
    return cast("dict[str, Any]", inner).get("name") if isinstance(inner, dict) else None


def _known(name: object, names: list[str], field: str) -> str:
    if not isinstance(name, str) or name not in names:
        _refuse(field, f"no function of the request has the name {describe(name)}")
    return name


def _refuse(param: str, what: str) -> NoReturn:
    raise RequestError(f"`{param}`: {what}.", param=param, code="invalid_value")
