"""Bands hold nine of ten errors like those of late, and grow with the horizon."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.thermal.band import Band, Errors
from edge_rt.thermal.course import HORIZONS_S, TIMES_S, Score, between

ALL = len(TIMES_S)


def filled(errors_k: list[float]) -> Band:
    band = Band()
    for error_k in errors_k:
        for index in range(len(HORIZONS_S)):
            band.add(Score(index, error_k, 1.0, 1e3))
    return band


def width_k(band: Band, horizon_s: float, stale_s: float = 0.0, wary: bool = False) -> float:
    return between(band.widths_k(ALL, 0.1, stale_s, wary), horizon_s)


def test_it_covers_nine_of_ten_errors_of_the_same_kind() -> None:
    dice = random.Random(3)
    band, covered = Band(), 0
    for number in range(2000):
        error_k = dice.gauss(0.0, 1.0)
        covered += number >= 100 and abs(error_k) <= width_k(band, 30.0)
        band.add(Score(2, error_k, 1.0, 1.0))
    assert 0.90 <= covered / 1900 <= 0.98


def test_one_wild_error_among_many_does_not_widen_it_for_long() -> None:
    band = filled([0.1] * 50 + [9.0] + [0.1] * 45)
    assert width_k(band, 30.0) < 1.0


def test_while_the_board_changes_the_last_errors_count_in_full() -> None:
    band = filled([0.1] * 90 + [3.0])
    assert width_k(band, 30.0) < 1.0
    assert width_k(band, 30.0, wary=True) >= 3.0


def test_old_errors_are_forgotten() -> None:
    band = filled([5.0] * 100 + [0.2] * 100)
    assert width_k(band, 30.0) == pytest.approx(0.2)
    assert band.scored(2) < 100


def test_without_scores_it_is_the_half_of_the_sensors_step() -> None:
    assert between(Band().widths_k(ALL, 0.01, 0.0, False), 1.0) == 0.1  # the least that is told
    widths = Band().widths_k(ALL, 1.0, 0.0, False)
    assert between(widths, 1.0) == between(widths, 30.0) == 0.5


def test_an_old_temperature_widens_it() -> None:
    band = filled([1.0] * 20)
    assert width_k(band, 5.0, stale_s=100.0) > width_k(band, 5.0)


def told(errors: Errors) -> float:
    return max(0.1, errors.width_k) * errors.scale


@pytest.mark.parametrize("calm_s", [60, 300])
def test_what_is_told_holds_nine_times_in_ten_where_errors_change_all_the_time(calm_s: int) -> None:
    """Calm and wild times of half a minute to some minutes, and each error is known 30 s late."""
    dice, errors, late, hits = random.Random(2), Errors(), list[tuple[float, float]](), list[bool]()
    spread = 0.1
    for number in range(4000):
        if number % (calm_s // 5) == 0:
            spread = dice.choice((0.1, 0.1, 2.0))
        error_k = dice.gauss(0.0, spread)
        late.append((error_k, told(errors)))
        hits.append(abs(error_k) <= late[-1][1])
        if len(late) > 6:
            errors.add(*late.pop(0))
    assert sum(hits) / len(hits) >= 0.9


def test_what_is_told_narrows_again_once_it_holds() -> None:
    errors = Errors()
    for _ in range(20):
        errors.add(5.0, 1.0)
    assert errors.scale > 4.0
    for _ in range(150):
        errors.add(0.1, told(errors))
    assert errors.scale == 1.0
    assert told(errors) == pytest.approx(0.1)


def test_while_nothing_is_missed_what_is_told_is_what_recent_errors_ask_for() -> None:
    band = filled([0.5] * 30)
    assert set(band.scales(ALL)) == {1.0}


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(-50.0, 50.0)), max_size=60),
    st.floats(0.01, 1.0),
    st.floats(0.0, 100.0),
    st.booleans(),
)
def test_it_never_narrows_with_the_horizon(
    scores: list[tuple[int, float]], grain_c: float, stale_s: float, wary: bool
) -> None:
    band = Band()
    for index, error_k in scores:
        band.add(Score(index, error_k, 1.0, 1.0))
    widths = band.widths_k(ALL, grain_c, stale_s, wary)
    assert all(a <= b + 1e-9 for a, b in pairwise(widths))
    assert widths[0] >= 0.5 * grain_c
