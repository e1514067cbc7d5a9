"""What the smaller of two models reads of a request."""

from __future__ import annotations

from msgspec.structs import replace

from edge_rt.api.service import Serving
from edge_rt.api.wish import Wish
from edge_rt.errors import ModelFileError, RequestError


def without_partner(serving: Serving, wish: Wish, *, tokens: bool) -> Serving:
    """Without a partner that nobody asked for, where the request names `tokens` of its model.

    Those of the partner may be others, which the engine would refuse.
    """
    mode = serving.mode
    if not tokens or wish.mode.name is not None or mode is None or mode.partner is None:
        return serving
    return replace(serving, mode=None)


async def with_partner(serving: Serving, wish: Wish, prompt: str) -> Serving:
    """With the prompt as the partner reads it, where `prompt` is not just that.

    A partner that nobody asked for, and whose template refuses, is left out. Raises what
    `wish.write` does where the request asks for its mode.
    """
    mode = serving.mode
    if mode is None or mode.partner is None:
        return serving
    try:
        its = await wish.write(mode.partner)
    except (RequestError, ModelFileError):
        if wish.mode.name is not None:
            raise
        return replace(serving, mode=None)
    return replace(serving, mode=replace(mode, prompt=None if its == prompt else its))
