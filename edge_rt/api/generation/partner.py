"""What the smaller of two models reads of a request."""

from __future__ import annotations

from msgspec.structs import replace

from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.core.requests import Serving
from edge_rt.core.routing import DecodingRequest, RouteRequest
from edge_rt.decoding.params import Mode


def unasked(mode: Mode | None, wish: DecodingRequest) -> bool:
    """Whether a partner helps that nobody asked for, and without whom the model answers as well."""
    return mode is not None and mode.partner is not None and not wish.asks


def without_partner(serving: Serving, wish: RouteRequest, *, tokens: bool) -> Serving:
    """Without a partner that nobody asked for, where the request names `tokens` of its model.

    Those of the partner may be others, which the engine would refuse.
    """
    left_out = tokens and unasked(serving.mode, wish.mode)
    return replace(serving, mode=None) if left_out else serving


async def with_partner(serving: Serving, wish: RouteRequest, prompt: str) -> Serving:
    """With the prompt as the partner reads it, where `prompt` is not just that.

    A partner that nobody asked for, and whose template refuses, is left out. Raises what
    `wish.write` does where the request asks for one.
    """
    mode = serving.mode
    if mode is None or mode.partner is None:
        return serving
    try:
        its = await wish.write(mode.partner)
    except (RequestError, ModelFileError):
        if not unasked(mode, wish.mode):
            raise
        return replace(serving, mode=None)
    return replace(serving, mode=replace(mode, prompt=None if its == prompt else its))
