from __future__ import annotations

import pytest
from benchlib.stats import ratio, spread, summarise
from hypothesis import given
from hypothesis import strategies as st

numbers = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=9)


@given(numbers)
def test_the_median_lies_between_the_ends(values: list[float]) -> None:
    summary = summarise(values)
    assert summary is not None
    assert min(values) == summary.low <= summary.median <= summary.high == max(values)
    assert summary.n == len(values)


def test_nothing_measured_is_none_and_not_zero() -> None:
    assert summarise([]) is None
    assert ratio([], [1.0]) is None
    assert ratio([1.0], []) is None
    assert ratio([1.0], [0.0]) is None


@given(numbers, st.floats(0.1, 10))
def test_a_side_that_is_always_so_many_times_faster_has_that_ratio(
    theirs: list[float], factor: float
) -> None:
    found = ratio([value * factor for value in theirs], theirs)
    assert found is not None
    assert found.of_medians == pytest.approx(factor)
    assert found.pairs == pytest.approx([factor] * len(theirs))


def test_the_ratio_is_that_of_the_medians_and_pairs_go_by_round() -> None:
    found = ratio([10.0, 20.0, 90.0], [10.0, 10.0, 30.0])
    assert found is not None
    assert found.of_medians == 2.0
    assert found.pairs == (1.0, 2.0, 3.0)


def test_a_round_that_only_one_side_has_is_in_no_pair() -> None:
    found = ratio([10.0, 20.0], [10.0])
    assert found is not None
    assert found.pairs == (1.0,)


@given(numbers)
def test_the_spread_is_never_negative(values: list[float]) -> None:
    assert spread(values) >= 0
    assert spread([values[0]] * 3) == 0


def test_the_spread_is_how_much_larger_the_largest_is() -> None:
    assert spread([2.0, 1.0, 1.5]) == pytest.approx(1.0)
    assert spread([]) == 0
