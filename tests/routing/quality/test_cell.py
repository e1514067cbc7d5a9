"""Marks correct what is presumed, fade, and cannot lead below the floor for long."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.routing.quality.learner import HALF_S, MOST, PRIOR, ArmCell

shares = st.floats(0.0, 1.0)
days = st.floats(0.0, 20.0)


def test_nothing_heard_is_what_is_presumed() -> None:
    assert ArmCell(0.0).corrected(0.8) == pytest.approx(0.8)


def test_marks_pull_towards_them() -> None:
    good, bad = ArmCell(0.0).marked(1.0, 1.0), ArmCell(0.0).marked(0.0, 1.0)
    assert bad.corrected(0.8) < 0.8 < good.corrected(0.8)
    assert ArmCell(0.0).marked(0.0, 0.5).corrected(0.8) > bad.corrected(0.8)


@given(st.lists(st.tuples(shares, st.floats(0.1, 1.0)), max_size=200), shares)
def test_it_is_a_probability_and_remembers_so_many_marks(
    marks: list[tuple[float, float]], presumed: float
) -> None:
    cell = ArmCell(0.0)
    for mark, weight in marks:
        cell = cell.marked(mark, weight)
    assert 0.0 <= cell.corrected(presumed) <= 1.0
    assert cell.marks <= MOST + 1e-9


def test_what_is_long_ago_counts_less() -> None:
    cell = ArmCell(0.0).marked(0.0, 1.0).took(3.0, 3.0)
    later = cell.faded(HALF_S)
    assert later.marks == pytest.approx(0.5)
    assert later.corrected(0.9) > cell.corrected(0.9)
    assert 1.0 < later.joules_ratio < cell.joules_ratio
    assert cell.faded(-HALF_S) == cell  # the clock was set back


@given(
    st.lists(st.lists(st.tuples(shares, st.floats(0.0, 9.0)), max_size=99), min_size=2, max_size=2)
)
def test_two_of_the_same_are_joined_to_one_that_can_be(parts: list[list[tuple]]) -> None:
    cells = []
    for at_s, part in enumerate(parts):
        cell = ArmCell(float(at_s))
        for mark, times in part:
            cell = cell.marked(mark, 1.0).took(times, times)
        cells.append(cell)
    older, newer = cells
    joined = newer.joined(older)
    assert joined.possible
    assert joined.marks == pytest.approx(min(older.marks + newer.marks, MOST))
    assert newer.joined(ArmCell(0.0)) == newer


def test_what_answers_take_beyond_what_was_foretold_is_learnt() -> None:
    cell = ArmCell(0.0)
    for _ in range(40):
        cell = cell.took(2.0, 0.5)
    assert cell.joules_ratio == pytest.approx(2.0, rel=0.1)
    assert cell.seconds_ratio == pytest.approx(0.5, rel=0.1)


@given(st.lists(st.floats(0.0, 1e12), max_size=300))
def test_no_answer_makes_it_more_than_four_times(times: list[float]) -> None:
    cell = ArmCell(0.0)
    for each in times:
        cell = cell.took(each, each)
    assert 0.25 <= cell.joules_ratio <= 4.0


@given(
    floor=st.floats(0.1, 0.99),
    steps=st.lists(st.tuples(shares, shares, st.floats(0.1, 1.0), days), max_size=300),
)
def test_whatever_is_marked_the_floor_is_missed_by_a_bounded_sum(
    floor: float, steps: list[tuple[float, float, float, float]]
) -> None:
    """An adversary presumes and marks as it likes; the arm is taken while it meets the floor.

    The marks of taken answers fall short of the floor by no more than the prior allows, one mark,
    and what was forgotten: a share 1/MOST of the prior's allowance a mark, and by time.
    """
    cell, now_s, missed, forgotten, marks = ArmCell(0.0), 0.0, 0.0, 0.0, 0
    allowed = PRIOR * (1.0 - floor)
    for presumed, mark, weight, passed in steps:
        now_s += passed * 86_400.0
        before, cell = cell, cell.faded(now_s)
        forgotten += 1.0 - (cell.marks / before.marks if before.marks else 1.0)
        if cell.corrected(presumed) < floor:
            continue  # another one is taken
        marks += 1
        missed += weight * (floor - mark)
        cell = cell.marked(mark, weight)
    assert missed <= allowed * (1.0 + marks / MOST) + floor + forgotten * (allowed + floor) + 1e-6


def test_an_arm_that_is_never_good_is_soon_left() -> None:
    cell, taken = ArmCell(0.0), 0
    while cell.corrected(0.95) >= 0.8 and taken < 100:
        taken, cell = taken + 1, cell.marked(0.0, 1.0)
    assert taken <= math.ceil(PRIOR * 0.15 / 0.8) + 1
