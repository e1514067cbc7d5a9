"""The solution is the best that is nowhere negative, whatever the rows."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.energy.prediction.equation import MOST, nnls

NUMBERS = st.floats(-100, 100).map(lambda x: round(x, 3))
Problem = tuple[list[list[float]], list[float]]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Rows of 1 to 6 numbers, more or fewer than unknowns, and targets."""
    unknowns, count = draw(st.integers(1, MOST)), draw(st.integers(1, 12))
    row = st.lists(NUMBERS, min_size=unknowns, max_size=unknowns)
    return (
        draw(st.lists(row, min_size=count, max_size=count)),
        draw(st.lists(NUMBERS, min_size=count, max_size=count)),
    )


@given(problems())
def test_no_step_that_stays_feasible_is_an_improvement(problem: Problem) -> None:
    # The Karush-Kuhn-Tucker conditions: necessary, and sufficient since the problem is convex.
    rows, targets = problem
    solution = nnls(rows, targets)
    left = [_dot(row, solution) - target for row, target in zip(rows, targets, strict=True)]
    for i, value in enumerate(solution):
        column = [row[i] for row in rows]
        slope = _dot(column, left)
        slack = 1e-6 * math.hypot(*column) * max(1.0, math.hypot(*targets))
        assert value >= 0
        assert slope >= -slack
        assert value == 0 or abs(slope) <= slack


@given(st.lists(st.floats(0, 10), min_size=3, max_size=3), st.data())
def test_exact_data_give_back_what_made_them(truth: list[float], data: st.DataObject) -> None:
    extra = st.lists(NUMBERS, min_size=3, max_size=3)
    rows = [[1.0, 0.0, 0.0], [0.5, 2.0, 0.0], [1.0, 1.0, 3.0], *data.draw(st.lists(extra))]
    assert nnls(rows, [_dot(row, truth) for row in rows]) == pytest.approx(truth, abs=1e-6)


@given(problems(), st.floats(1e-9, 1e9))
def test_units_do_not_matter(problem: Problem, factor: float) -> None:
    rows, targets = problem
    scaled = nnls([[factor * row[0], *row[1:]] for row in rows], targets)
    back = [factor * scaled[0], *scaled[1:]]
    assert _squares(rows, targets, back) == pytest.approx(
        _squares(rows, targets, nnls(rows, targets)), rel=1e-6, abs=1e-6
    )


def test_what_would_be_negative_is_0_and_the_rest_makes_up_for_it() -> None:
    # Without the bound it were (2, -1): a line that falls.
    assert nnls([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [2.0, 1.0, 0.0]) == (pytest.approx(1.0), 0.0)
    assert nnls([[1.0], [1.0]], [-1.0, -2.0]) == (0.0,)


def test_unknowns_that_cannot_be_told_apart_do_no_harm() -> None:
    solution = nnls([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0]], [3.0, 6.0])
    assert solution[0] + 2 * solution[1] == pytest.approx(3.0)
    assert solution[2] == 0


@pytest.mark.parametrize(
    ("rows", "targets", "complaint"),
    [
        ([], [], "rows"),
        ([[]], [1.0], "rows"),
        ([[1.0] * 7], [1.0], "rows"),
        ([[1.0], [1.0, 2.0]], [1.0, 2.0], "rows"),
        ([[1.0], [2.0]], [1.0], "targets"),
    ],
)
def test_misfits_are_refused_by_name(
    rows: list[list[float]], targets: list[float], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        nnls(rows, targets)


def _dot(a: list[float] | tuple[float, ...], b: list[float] | tuple[float, ...]) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def _squares(
    rows: list[list[float]], targets: list[float], solution: list[float] | tuple[float, ...]
) -> float:
    return sum((_dot(row, solution) - t) ** 2 for row, t in zip(rows, targets, strict=True))
