"""How good a front is."""

from __future__ import annotations

from collections.abc import Iterable

Point = tuple[float, float]


def hypervolume(points: Iterable[Point], reference: Point) -> float:
    """The area that points dominate up to `reference`, less being better in both."""
    area, floor = 0.0, reference[1]
    for x, y in sorted(points):
        if x < reference[0] and y < floor:
            area += (reference[0] - x) * (floor - y)
            floor = y
    return area


def worst(points: Iterable[Point], beyond: float = 0.1) -> Point:
    """A reference for a true front: its worst values and a tenth of its span beyond them.

    A front of one point is taken to span its own values.
    """
    columns = [*zip(*points, strict=True)]
    spans = [(max(column) - min(column)) or abs(max(column)) for column in columns]
    ends = [max(column) + beyond * span for column, span in zip(columns, spans, strict=True)]
    return ends[0], ends[1]
