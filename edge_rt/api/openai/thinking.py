"""How much a model is to think, from a request's fields to the prompt and the call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from edge_rt.api.allowance import Think, ThinkTerms
from edge_rt.core.chat_format import ChatFormat, ThinkFormat
from edge_rt.core.requests import ThinkLimit
from edge_rt.generation.tools.grammar import token_name

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
_EFFORTS: dict[str, int | None] = {"minimal": 128, "low": 512, "medium": 2048}  # tokens


def think_of(think: Think | None, effort: Effort | None) -> Think | None:
    """What a request wants by `edge.think`, or else by `reasoning_effort`; None: nothing."""
    if think is not None or effort is None:
        return think
    if effort == "none":
        return "off"
    tokens = _EFFORTS.get(effort)
    return "on" if tokens is None else ThinkTerms(tokens)


def variables_of(
    think: Think | None, effort: Effort | None, format: ChatFormat, given: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """The variables for a chat template, with those that turn thinking on and off."""
    variables: dict[str, Any] = {} if effort in (None, "none") else {"reasoning_effort": effort}
    if think is not None and format.thinking is not None and format.thinking.variable is not None:
        variables[format.thinking.variable] = think != "off"
    return {**variables, **(given or {})} or None


def prompt_of(think: Think | None, thinking: ThinkFormat | None, prompt: str) -> str:
    """The prompt with thoughts begun, or ended before they begin, where the template did not."""
    if think is None or thinking is None:
        return prompt
    opened = prompt.rstrip().endswith(thinking.begin)
    if think != "off":
        begun = opened or think == "on"
        return prompt if begun else f"{prompt}{thinking.begin}\n"
    if not opened and thinking.variable is not None:  # the template did what there is to do
        return prompt
    begin = "" if opened else f"{thinking.begin}\n"
    return f"{prompt}{begin}\n{thinking.end}\n\n"


def limit_of(think: Think | None, format: ChatFormat) -> ThinkLimit | None:
    """The limit of a call's thoughts; None: there is none."""
    thinking = format.thinking
    if thinking is None or not isinstance(think, ThinkTerms):
        return None
    token = token_name(thinking.end) if thinking.end in format.control else None
    return ThinkLimit(thinking.end, think.tokens, think.energy_j, token)
