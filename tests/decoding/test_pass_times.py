"""What passes take is learnt from passes, and outliers teach little."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.decoding.experience import Average, PassTimes


def fed(alone: float, base: float, row: float) -> PassTimes:
    times = PassTimes()
    for turn in range(60):
        times.alone.add(alone)
        rows = 2 + turn % 6
        times.verify_took(rows, base + row * rows)
    return times


@given(st.floats(0.01, 0.2), st.floats(0.0, 0.1), st.floats(0.001, 0.05))
def test_a_line_is_found_beside_the_single_pass(alone: float, more: float, row: float) -> None:
    times = fed(alone, alone + more, row)
    assert times.verify(0) == pytest.approx(alone)
    for drafted in (1, 4, 6, 12):
        expected = alone + more + row * (drafted + 1)
        assert times.verify(drafted) == pytest.approx(expected, rel=0.05)


def test_before_anything_is_known_rows_are_thought_to_cost_a_part_of_a_pass() -> None:
    times = PassTimes()
    assert times.verify(3) == 0.0
    times.alone.add(0.1)
    assert times.verify(1) == pytest.approx(0.13)


@given(st.lists(st.tuples(st.integers(2, 13), st.floats(0.001, 1.0)), min_size=1, max_size=80))
def test_more_rows_never_seem_to_cost_less(passes: list[tuple[int, float]]) -> None:
    times = PassTimes()
    times.alone.add(0.1)
    for rows, seconds in passes:
        times.verify_took(rows, seconds)
    verify = [times.verify(drafted) for drafted in range(13)]
    assert verify == sorted(verify)


def test_an_outlier_moves_an_average_little_and_a_change_all_the_way() -> None:
    average = Average()
    for _ in range(50):
        average.add(0.1)
    average.add(5.0)
    assert average.value == pytest.approx(0.1, rel=0.1)
    for _ in range(100):
        average.add(0.2)
    assert average.value == pytest.approx(0.2, rel=0.01)


def test_a_disturbed_verification_does_not_tilt_the_line() -> None:
    times = fed(0.1, 0.1, 0.02)
    times.verify_took(3, 4.0)
    assert times.verify(3) == pytest.approx(0.18, rel=0.1)
