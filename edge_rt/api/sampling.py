"""What a request says of repetitions and of the order of samplers, as sampling takes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec.structs import replace

from edge_rt.core.errors import RequestError
from edge_rt.decoding.params import Dry, Sampling

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
