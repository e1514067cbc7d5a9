"""Two models that answer together."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edge_rt.core.decoding import GATES, gates
from edge_rt.models.naming import Id

SINGLE, SPECULATIVE, LOOKUP, SWITCH = "single", "speculative", "lookup", "switch"
LOSSLESS = (SINGLE, LOOKUP, SPECULATIVE)
"""Modes in which an answer is token for token what the large model writes alone."""

MODES = (*LOSSLESS, *(f"{SWITCH}:{gate}" for gate in GATES))
_REMOVED_GATES = ("token", "hysteresis", "early", "random", "never", "always", "verify")
REMOVED_MODES = tuple(f"{SWITCH}:{gate}" for gate in _REMOVED_GATES)
"""Modes that earlier versions had."""

_Share = Annotated[float, Meta(ge=0, le=1)]


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two models by their ids in the store, the large one as the one that requests name.

    `mode` is what requests get that do not say; None: the large model by itself. `large_share` of
    the tokens are to be the large model's, or `threshold` is the gate's own measure; for `first`
    see Gating.
    """

    large: Id
    small: Id
    mode: str | None = None
    large_share: _Share | None = None
    threshold: Annotated[float, Meta(ge=0, le=1e6)] | None = None
    first: Annotated[int, Meta(ge=0, le=1 << 20)] = 0

    def __post_init__(self) -> None:
        """Raise ValueError where what belongs together is not there together."""
        if self.large == self.small:
            raise ValueError(f"`small`: {self.small} is the large one already")
        if self.mode is not None and not is_mode(self.mode):
            raise ValueError(f"`mode`: there is no mode {self.mode!r:.80}")
        wrong = misfit(self.mode or SINGLE, self.large_share, self.threshold, self.first)
        if wrong is not None:
            raise ValueError(f"`{wrong[0]}`: {wrong[1]}")

    @property
    def gate(self) -> str | None:
        """The gate of a mode that switches."""
        return gate_of(self.mode) if self.mode else None


def is_mode(name: str) -> bool:
    """Return whether requests may name that mode."""
    return name in MODES or (name.startswith(f"{SWITCH}:") and gate_of(name) in gates())


def gate_of(mode: str) -> str | None:
    """Return the gate in the name of a mode that has one."""
    _, colon, gate = mode.partition(":")
    return gate if colon else None


def misfit(
    mode: str, large_share: float | None, threshold: float | None, first: int
) -> tuple[str, str] | None:
    """Return the field that does not go with the mode and what to do about it.

    None where all do.
    """
    gate = gate_of(mode)
    settings = {"large_share": large_share, "threshold": threshold, "first": first or None}
    given = [field for field, value in settings.items() if value is not None]
    if gate is None:
        advice = f"is for modes that switch, and the mode is {mode}: leave it out"
        return (given[0], f"{advice}, or choose {SWITCH}:GATE") if given else None
    if large_share is not None and threshold is not None:
        return "threshold", "a share moves the threshold by itself: send one of the two"
    return None
