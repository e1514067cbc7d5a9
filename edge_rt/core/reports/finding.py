"""A line of diagnosis, by whatever part of edge_rt knows it; `edge-rt doctor` collects them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was found; `remedy` is shell commands and "#" advice, a line each.

    A "problem" is something that whoever uses the board can and should mend; a "note" is worth
    knowing, and its remedy is an offer.
    """

    id: str
    level: Level
    what: str
    remedy: tuple[str, ...] = ()


def ok(id: str, what: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(id, "ok", what)


def note(id: str, what: str, *remedy: str) -> Finding:
    """Return that something is worth knowing."""
    return Finding(id, "note", what, remedy)


def problem(id: str, what: str, *remedy: str) -> Finding:
    """Return that something is broken or missing."""
    return Finding(id, "problem", what, remedy)
