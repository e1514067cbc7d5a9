"""What a request says of thoughts, repetitions and the order of samplers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec.structs import replace

from edge_rt.api.allowance import Think, ThinkTerms
from edge_rt.core.chat_format import ChatFormat, ThinkFormat
from edge_rt.core.errors import RequestError
from edge_rt.core.requests import ThinkLimit
from edge_rt.decoding.params import Dry, Sampling
from edge_rt.generation.tools.grammar import token_name

SamplerName = Literal[
    "penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"
]
"""A sampler of llama.cpp; `top_n_sigma`, `typ_p` and `xtc` do nothing, as their fields are refused.
"""

_OFF = Sampling()  # its fields are those of samplers that do nothing
_FIELDS: dict[SamplerName, tuple[str, ...]] = {
    "penalties": ("repeat_penalty", "presence_penalty", "frequency_penalty"),
    "dry": ("dry",),
    "top_k": ("top_k",),
    "top_p": ("top_p",),
    "min_p": ("min_p",),
    "temperature": ("temperature",),
}
_USUAL = ("temperature", "top_k", "top_p", "min_p")


def dry_of(
    multiplier: float | None,
    base: float | None,
    allowed: int | None,
    last_n: int | None,
    breakers: Sequence[str] | None,
) -> Dry | None:
    """Return DRY's settings, llama.cpp's own for those that are None; None without a multiplier."""
    if not multiplier:
        return None
    said = {"base": base, "allowed": allowed, "last_n": last_n}
    given = {name: value for name, value in said.items() if value is not None}
    dry = Dry(multiplier, **given)  # pyright: ignore[reportArgumentType]
    return dry if breakers is None else replace(dry, breakers=tuple(breakers))


def in_order(how: Sampling, samplers: Sequence[SamplerName] | None) -> Sampling:
    """`how` with these samplers in this order and no others; None: the usual ones.

    RequestError for one that is named twice, and for penalties behind what cuts the distribution.
    """
    if samplers is None:
        return how
    chain = tuple(name for name in _USUAL if name in samplers)
    order = tuple(name for name in samplers if name in _USUAL)
    cut = next((i for i, name in enumerate(samplers) if name in _USUAL), len(samplers))
    for i, name in enumerate(samplers):
        if name in samplers[:i]:
            raise _fault(i, f"{name} is named twice: name each once")
        if name in ("penalties", "dry") and i > cut:
            raise _fault(i, f"{name} behind {samplers[cut]} is not supported: put it first")
    left_out = [field for name in _FIELDS if name not in samplers for field in _FIELDS[name]]
    off = {field: getattr(_OFF, field) for field in left_out}
    return replace(how, **off, order=() if order == chain else order)


def _fault(index: int, what: str) -> RequestError:
    param = f"samplers[{index}]"
    return RequestError(f"`{param}`: {what}.", param=param, code="invalid_value")


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
