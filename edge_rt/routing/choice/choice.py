"""Which candidate of a front is taken."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from edge_rt.core.routing import Prefer
from edge_rt.routing.choice.figures import TIE, Figures

Axis = Literal["seconds", "energy_j", "quality"]

ORDERS: Mapping[Prefer, tuple[Axis, Axis, Axis]] = {
    "energy": ("energy_j", "seconds", "quality"),
    "latency": ("seconds", "energy_j", "quality"),
    "quality": ("quality", "energy_j", "seconds"),
}
"""What counts first, what where that is tied, and what where both are."""


class Finalist(NamedTuple):
    """One on the front: its place among all candidates, its figures and its age.

    `loads` tells whether something has to be loaded for it, which a tie does not repay.
    """

    place: int
    figures: Figures
    age_s: float | None
    loads: bool


class Choice(NamedTuple):
    """The chosen place, and how many it was tied with in everything."""

    place: int
    ties: int


def choose(front: Sequence[Finalist], prefer: Prefer) -> Choice:
    """The best of a front that is not empty.

    Of those that are tied in all that counts, one that `loads` nothing, if there is any: settings
    that took turns would be loaded again and again. Of these, the one whose measurement is the
    oldest; the first, where several were measured together.
    """
    rest = front
    for axis in ORDERS[prefer]:
        rest = _best(rest, axis)
    rest = [finalist for finalist in rest if not finalist.loads] or rest
    chosen = max(rest, key=_age_s)
    return Choice(chosen.place, len(rest) - 1)


def _age_s(finalist: Finalist) -> float:
    return math.inf if finalist.age_s is None else finalist.age_s


def _best(rest: Sequence[Finalist], axis: Axis) -> list[Finalist]:
    """Those that are as good as the best, or may be."""
    if axis == "quality":
        most = max(finalist.figures.quality for finalist in rest)
        return [finalist for finalist in rest if finalist.figures.quality >= most * (1.0 - TIE)]
    if axis == "seconds":
        least = min(finalist.figures.seconds for finalist in rest)
        return [finalist for finalist in rest if finalist.figures.least_s <= least]
    least = min(finalist.figures.energy_j for finalist in rest)
    return [finalist for finalist in rest if finalist.figures.least_j <= least]
