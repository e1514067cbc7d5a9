"""How good the answers of a model are, by its published figures, and how good they have to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import fmean
from typing import Literal

from edge_rt.core.routing import Objectives
from edge_rt.models.record import ModelRecord

Level = Literal["low", "normal", "high"]

FLOORS: Mapping[Level, float] = {"low": 0.25, "normal": 0.5, "high": 0.75}
"""What the words for a floor of quality mean, as shares of right answers in tests."""


def figure(entry: ModelRecord) -> float | None:
    """Return the mean share of right answers in the tests that the catalogue knows of a model.

    That is from 0 to 1; None where no test of it was published.
    """
    known = entry.presumed_quality
    return None if known is None else fmean(known.figures.values())


def floor_of(quality: Level | float) -> float:
    """Return a floor of quality as a number from 0 to 1."""
    return FLOORS[quality] if isinstance(quality, str) else quality


def below(quality: float | None, floor: float) -> str:
    """Say that a published figure is below the floor."""
    told = "it has no published figure" if quality is None else f"its figure is {quality:.2f}"
    return f"{told}, and {floor:.2f} is the least"


class Floor:
    """The least published figure of models: what the request names, else what is `usual`."""

    def __init__(self, usual: Level | float, smaller: Callable[[], bool]) -> None:
        """`smaller` tells whether the governor asks for smaller models."""
        self.usual, self._smaller = floor_of(usual), smaller

    def now(self, objectives: Objectives) -> float:
        """Return the floor of a request.

        The usual one gives way as far as "low" while the governor asks for smaller models; one that
        the request names holds.
        """
        if objectives.quality is not None:
            return objectives.quality
        return min(self.usual, FLOORS["low"]) if self._smaller() else self.usual

    def shortfall(
        self, other: ModelRecord, asked: ModelRecord, objectives: Objectives
    ) -> str | None:
        """Return why `other` is not good enough to answer for `asked`; None: it is, or is unknown.

        Where `asked` does not reach the floor either, its own figure is the least.
        """
        quality, best, floor = figure(other), figure(asked), self.now(objectives)
        least = floor if best is None else min(floor, best)
        return None if quality is None or quality >= least else below(quality, least)
