"""Of what is tied, the oldest measurement is repeated; what was measured together keeps order."""

from __future__ import annotations

import pytest

from edge_rt.routing.choice.pareto import Figures, Finalist, choose

SAME = Figures(1.0, 1.0, 0.5, 1.0, 1.0)


@pytest.mark.parametrize(
    ("ages_s", "expected"),
    [
        ((None, None), 0),
        ((7.0, None), 1),
        ((7.0, 9.0), 1),
        ((9.0, 7.0), 0),
        ((7.0, 7.0), 0),
    ],
)
def test_the_oldest_measurement_is_repeated(
    ages_s: tuple[float | None, ...], expected: int
) -> None:
    front = [Finalist(i, SAME, age_s, loads=False) for i, age_s in enumerate(ages_s)]
    assert choose(front, "energy").place == expected
