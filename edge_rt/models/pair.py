"""Two models that answer together."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edge_rt.models.naming import Id

SINGLE, SPECULATIVE, LOOKUP, SWITCH = "single", "speculative", "lookup", "switch"
LOSSLESS = (SINGLE, LOOKUP, SPECULATIVE)
"""Modes in which an answer is token for token what the large model writes alone."""

MODES = (*LOSSLESS, SWITCH, f"{SWITCH}:entropy")
"""The last two are one."""

_Share = Annotated[float, Meta(ge=0, le=1)]


class Pair(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two models by their ids in the store, the large one as the one that requests name.

    `mode` is what requests get that do not say; None: the large model by itself. `large_share` of
    the tokens are to be the large model's, or `threshold` is the gate's, in bits.
    """

    large: Id
    small: Id
    mode: str | None = None
    large_share: _Share | None = None
    threshold: Annotated[float, Meta(ge=0, le=1e6)] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where what belongs together is not there together."""
        if self.large == self.small:
            raise ValueError(f"`small`: {self.small} is the large one already")
        if self.mode is not None and self.mode not in MODES:
            raise ValueError(f"`mode`: there is no mode {self.mode!r:.80}")
        wrong = misfit(self.mode or SINGLE, self.large_share, self.threshold)
        if wrong is not None:
            raise ValueError(f"`{wrong[0]}`: {wrong[1]}")


def misfit(mode: str, large_share: float | None, threshold: float | None) -> tuple[str, str] | None:
    """Return the field that does not go with the mode and what to do about it.

    None where all do.
    """
    settings = {"large_share": large_share, "threshold": threshold}
    given = [field for field, value in settings.items() if value is not None]
    if given and not mode.startswith(SWITCH):
        advice = f"is for the mode {SWITCH}, and the mode is {mode}: leave it out"
        return given[0], f"{advice}, or choose {SWITCH}"
    if len(given) > 1:
        return "threshold", "a share moves the threshold by itself: send one of the two"
    return None
