"""The Pareto front of candidates by seconds, joules and quality, and which of it is taken."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from edge_rt.core.routing import Prefer
from edge_rt.routing.choice.trace import Candidate

TIE = 0.02  # figures that differ by less are as good as equal
_MOST_DOUBT = 1.0  # an error beyond it says no more than that nothing is known


class Figures(NamedTuple):
    """A candidate's seconds, joules and quality; what is not known counts as the worst.

    `least_s` and `least_j` are what they may be in truth: a tie less, or the error of a measurement
    that is worth repeating.
    """

    seconds: float
    energy_j: float
    quality: float
    least_s: float
    least_j: float

    def dominates(self, other: Figures) -> bool:
        """Whether it is no worse in anything, and better in something by more than a tie.

        That is a transitive, strict order.
        """
        return (
            self.seconds <= other.seconds
            and self.energy_j <= other.energy_j
            and self.quality >= other.quality
            and (
                self.seconds < other.least_s
                or self.energy_j < other.least_j
                or self.quality * (1.0 - TIE) > other.quality
            )
        )


def figures(candidate: Candidate, doubtful: bool = False) -> Figures:
    """The figures of a candidate; one that is `doubtful` gets the benefit of its error."""
    seconds = math.inf if candidate.seconds is None else candidate.seconds
    energy_j = math.inf if candidate.energy_j is None else candidate.energy_j
    return Figures(
        seconds,
        energy_j,
        candidate.quality or 0.0,
        seconds / (1.0 + _slack(candidate.error_ratio, doubtful)),
        energy_j / (1.0 + _slack(candidate.energy_error_ratio, doubtful)),
    )


def _slack(error_ratio: float | None, doubtful: bool) -> float:
    if not doubtful or error_ratio is None:
        return TIE
    return min(_MOST_DOUBT, max(TIE, error_ratio))


def dominators(found: Sequence[Figures]) -> list[int | None]:
    """For each of `found` the place of one on the front that dominates it; None: it is on it."""
    by: list[int | None] = [None] * len(found)
    front: list[int] = []
    # Whoever dominates another comes before it in this order.
    order = sorted(range(len(found)), key=lambda i: (*found[i][:2], -found[i].quality))
    for place in order:
        figures = found[place]
        by[place] = next((best for best in front if found[best].dominates(figures)), None)
        if by[place] is None:
            front.append(place)
    return by


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


class FrontChoice(NamedTuple):
    """The chosen place, and how many it was tied with in everything."""

    place: int
    ties: int


def choose(front: Sequence[Finalist], prefer: Prefer) -> FrontChoice:
    """Return the best of a front that is not empty.

    Of those tied in all that counts, one that `loads` nothing, lest settings that take turns be
    loaded again and again; of these the one whose measurement is the oldest, or the first.
    """
    rest = front
    for axis in ORDERS[prefer]:
        rest = _best(rest, axis)
    rest = [finalist for finalist in rest if not finalist.loads] or rest
    chosen = max(rest, key=lambda one: math.inf if one.age_s is None else one.age_s)
    return FrontChoice(chosen.place, len(rest) - 1)


def _best(rest: Sequence[Finalist], axis: Axis) -> list[Finalist]:
    """Return the candidates that are, or may be, as good as the best."""
    if axis == "quality":
        most = max(finalist.figures.quality for finalist in rest)
        return [finalist for finalist in rest if finalist.figures.quality >= most * (1.0 - TIE)]
    if axis == "seconds":
        least = min(finalist.figures.seconds for finalist in rest)
        return [finalist for finalist in rest if finalist.figures.least_s <= least]
    least = min(finalist.figures.energy_j for finalist in rest)
    return [finalist for finalist in rest if finalist.figures.least_j <= least]
