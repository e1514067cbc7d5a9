"""Which candidate of a front is taken."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from edge_rt.routing.ask import Prefer
from edge_rt.routing.figures import TIE, Figures

Axis = Literal["seconds", "energy_j", "quality"]

ORDERS: Mapping[Prefer, tuple[Axis, Axis, Axis]] = {
    "energy": ("energy_j", "seconds", "quality"),
    "latency": ("seconds", "energy_j", "quality"),
    "quality": ("quality", "energy_j", "seconds"),
}
"""What counts first, what where that is tied, and what where both are."""


class Runner(NamedTuple):
    """One on the front: its place among all candidates, its figures and its age."""

    place: int
    figures: Figures
    age_s: float | None


class Choice(NamedTuple):
    """The chosen place, and how many it was tied with in everything."""

    place: int
    ties: int


def choose(front: Sequence[Runner], prefer: Prefer) -> Choice:
    """The best of a front that is not empty.

    Of those that are tied in all that counts, the one whose measurement is the oldest.
    """
    rest = front
    for axis in ORDERS[prefer]:
        rest = _best(rest, axis)
    oldest = max(rest, key=lambda runner: math.inf if runner.age_s is None else runner.age_s)
    return Choice(oldest.place, len(rest) - 1)


def _best(rest: Sequence[Runner], axis: Axis) -> list[Runner]:
    """Those that are as good as the best, or may be."""
    if axis == "quality":
        most = max(runner.figures.quality for runner in rest)
        return [runner for runner in rest if runner.figures.quality >= most * (1.0 - TIE)]
    if axis == "seconds":
        least = min(runner.figures.seconds for runner in rest)
        return [runner for runner in rest if runner.figures.least_s <= least]
    least = min(runner.figures.energy_j for runner in rest)
    return [runner for runner in rest if runner.figures.least_j <= least]
