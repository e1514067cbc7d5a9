"""Two models that answer together, and how they are best asked to."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edge_rt.decoding.params import AIMED, EARLY, GATES, gates, has_threshold
from edge_rt.models.naming import Id

SINGLE, SPECULATIVE, LOOKUP, SWITCH = "single", "speculative", "lookup", "switch"
LOSSLESS = (SINGLE, LOOKUP, SPECULATIVE)
"""Modes in which an answer is token for token what the large model writes alone."""

MODES = (*LOSSLESS, *(f"{SWITCH}:{gate}" for gate in GATES))

_Share = Annotated[float, Meta(ge=0, le=1)]
_Ratio = Annotated[float, Meta(ge=0, le=2)]
_Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z")]


class _Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: unknown keys are errors."""


class KeptAccuracy(_Item, frozen=True):
    """What a mode keeps of the large model's accuracy, by the test's name, 1: all of it."""

    figures: Annotated[dict[_Name, _Ratio], Meta(min_length=1)]
    source: str = ""

    @property
    def least(self) -> float:
        """In the test where that is least."""
        return min(self.figures.values())


class Pair(_Item, frozen=True):
    """Two models by their ids in the store, the large one as the one that requests name.

    `mode` is what requests get that do not say; None: the large model by itself, or whatever
    lossless mode takes least. `large_share` of the tokens are to be the large model's, or
    `threshold` is the gate's own measure; for `first` see Gating.
    """

    large: Id
    small: Id
    mode: str | None = None
    large_share: _Share | None = None
    threshold: Annotated[float, Meta(ge=0)] | None = None
    first: Annotated[int, Meta(ge=0, le=1 << 20)] = 0
    kept: KeptAccuracy | None = None  # by `mode`, set like this

    def __post_init__(self) -> None:
        """What belongs together must be there together; raises ValueError."""
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
    """The gate in the name of a mode that has one."""
    _, colon, gate = mode.partition(":")
    return gate if colon else None


def misfit(
    mode: str, large_share: float | None, threshold: float | None, first: int
) -> tuple[str, str] | None:
    """The field that does not go with the mode and what to do about it; None where all do."""
    gate = gate_of(mode)
    settings = {"large_share": large_share, "threshold": threshold, "first": first or None}
    given = [field for field, value in settings.items() if value is not None]
    if gate is None:
        advice = f"is for modes that switch, and the mode is {mode}: leave it out"
        return (given[0], f"{advice}, or choose {SWITCH}:GATE") if given else None
    settings = [field for field in given if field != "first"]
    if gate == EARLY and large_share is not None:
        return "large_share", f"{mode} decides but once: leave it out, or send a threshold"
    if settings and gate != EARLY and not has_threshold(gate):
        choice = f"leave it out, or choose one of {', '.join(AIMED)}"
        return settings[0], f"{mode} has no threshold: {choice}"
    if len(settings) > 1:
        return "threshold", "a share moves the threshold by itself: send one of the two"
    return None
