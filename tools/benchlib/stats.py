"""Medians, spreads and ratios of a few repeated measurements."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """The middle and the ends of `n` measurements."""

    median: float
    low: float
    high: float
    n: int


def median(values: Sequence[float]) -> float | None:
    """Return the middle one of `values`; None where there are none."""
    return statistics.median(values) if values else None


def summarise(values: Sequence[float]) -> Summary | None:
    """A Summary of `values`; None when there are none."""
    if not values:
        return None
    return Summary(statistics.median(values), min(values), max(values), len(values))


def spread(values: Sequence[float]) -> float:
    """Return how much larger the largest of `values` is than the smallest: 0.1 is ten percent.

    0 for fewer than two values. The values must be above 0.
    """
    return max(values) / min(values) - 1 if len(values) > 1 else 0.0


@dataclass(frozen=True)
class Ratio:
    """One side over the other: `of_medians`, and round by round in `pairs`."""

    of_medians: float
    pairs: tuple[float, ...]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio | None:
    """`ours` over `theirs`; None when a side has no value or a median of 0.

    The two sequences go round by round; what one side has more is left out of the pairs.
    """
    if not ours or not theirs or statistics.median(theirs) == 0:
        return None
    pairs = tuple(a / b for a, b in zip(ours, theirs, strict=False) if b)
    return Ratio(statistics.median(ours) / statistics.median(theirs), pairs)
