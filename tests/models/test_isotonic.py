"""The fit rises, and no other that does is nearer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.models.doubt import IsotonicPoint, isotonic

POINT = st.builds(IsotonicPoint, st.integers(0, 5), st.integers(0, 4), st.integers(1, 3))
POINTS = st.lists(POINT, min_size=1, max_size=6)


def at(blocks: list[IsotonicPoint], x: float) -> float:
    return [block.y for block in blocks if block.x <= x][-1]


def test_violators_are_pooled() -> None:
    assert isotonic(
        [IsotonicPoint(1, 0), IsotonicPoint(2, 1), IsotonicPoint(3, 0), IsotonicPoint(4, 1)]
    ) == [
        IsotonicPoint(1, 0, 1),
        IsotonicPoint(2, 0.5, 2),
        IsotonicPoint(4, 1, 1),
    ]
    assert isotonic([IsotonicPoint(1, 1), IsotonicPoint(2, 0, 3)]) == [IsotonicPoint(1, 0.25, 4)]
    assert isotonic([IsotonicPoint(2, 1), IsotonicPoint(1, 1), IsotonicPoint(2, 0)]) == [
        IsotonicPoint(1, pytest.approx(2 / 3), 3)
    ]


@given(POINTS, st.lists(st.integers(0, 8), min_size=6, max_size=6))
def test_it_rises_and_is_the_nearest_that_does(
    points: list[IsotonicPoint], steps: list[int]
) -> None:
    blocks = isotonic(points)
    assert [block.x for block in blocks] == sorted({block.x for block in blocks})
    assert [block.y for block in blocks] == sorted(block.y for block in blocks)
    assert sum(block.weight for block in blocks) == sum(point.weight for point in points)
    other = sorted(step / 2 for step in steps)  # some rising function of 0..5

    def loss(value: list[float]) -> float:
        return sum(p.weight * (p.y - y) ** 2 for p, y in zip(points, value, strict=True))

    ours = loss([at(blocks, point.x) for point in points])
    assert ours <= loss([other[int(point.x)] for point in points]) + 1e-9
