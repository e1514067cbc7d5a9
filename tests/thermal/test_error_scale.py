"""Bands hold nine of ten errors that are like recent ones, whatever was expected."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.thermal.band import NEEDED, ErrorScale


def add(scale: ErrorScale, *ratios: float) -> None:
    for ratio in ratios:
        scale.add(ratio, scale.factor)


def test_what_is_expected_stands_until_enough_came() -> None:
    scale = ErrorScale()
    add(scale, *[3.0] * (NEEDED - 1))
    assert scale.quantile == 1.0
    add(scale, 3.0)
    assert scale.quantile == 3.0


@pytest.mark.parametrize("spread", [0.5, 1.0, 5.0])
def test_it_covers_nine_of_ten_errors_of_the_same_kind(spread: float) -> None:
    scale, dice, covered = ErrorScale(), random.Random(3), 0
    for number in range(2000):
        ratio = abs(dice.gauss(0.0, spread))
        covered += number >= 100 and ratio <= scale.factor
        add(scale, ratio)
    assert 0.90 <= covered / 1900 <= 0.99


def test_one_wild_error_among_many_does_not_widen_it_for_long() -> None:
    scale = ErrorScale()
    add(scale, *[0.5] * 50, 9.0, *[0.5] * 45)
    assert scale.factor == pytest.approx(0.5)


def test_old_errors_are_forgotten() -> None:
    scale = ErrorScale()
    add(scale, *[5.0] * 100, *[0.5] * 200)
    assert scale.factor == pytest.approx(0.5)
    assert scale.count < 100


@pytest.mark.parametrize("calm_s", [60, 300])
def test_it_holds_nine_times_in_ten_where_errors_change_all_the_time(calm_s: int) -> None:
    """Calm and wild times of half a minute to some minutes, and each error is known 30 s late."""
    dice, scale, late, hits = random.Random(2), ErrorScale(), list[tuple[float, float]](), 0
    spread = 0.1
    for number in range(4000):
        if number % (calm_s // 5) == 0:
            spread = dice.choice((0.1, 0.1, 2.0))
        late.append((abs(dice.gauss(0.0, spread)), scale.factor))
        hits += late[-1][0] <= late[-1][1]
        if len(late) > 6:
            scale.add(*late.pop(0))
    assert hits / 4000 >= 0.9


@given(st.lists(st.floats(0.0, 1e6), max_size=200))
def test_it_is_never_nothing(ratios: list[float]) -> None:
    scale = ErrorScale()
    add(scale, *ratios)
    assert 0.0 < scale.factor < 1e8
