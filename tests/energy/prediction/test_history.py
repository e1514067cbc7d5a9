"""Factors follow what lasts and forget it again; what happens once does not move them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.routing import Served
from edge_rt.energy.prediction.equation import Watts
from edge_rt.energy.prediction.history import KEPT, Factors, Misses, PredictionHistory

RATIOS = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=30)


@given(RATIOS)
def test_a_factor_lies_among_the_latest_ratios(ratios: list[float]) -> None:
    factors = Factors()
    for ratio in ratios:
        factors.add(ratio, 1.0)
    latest = ratios[-KEPT:]
    factor = factors.factor()
    assert factor is not None
    assert min(latest) * (1 - 1e-9) <= factor <= max(latest) * (1 + 1e-9)


def test_a_lasting_change_is_followed_and_the_past_forgotten() -> None:
    factors = Factors()
    for ratio in [1.0] * 50 + [3.0] * (KEPT // 2 + 1):
        factors.add(ratio, 1.0)
    assert factors.factor() == pytest.approx(3.0)


def test_one_answer_that_was_held_up_moves_nothing() -> None:
    factors = Factors()
    for ratio in (1.0, 1.0, 100.0, 1.0):
        factors.add(ratio, 1.0)
    assert factors.factor() == pytest.approx(1.0)


def test_a_calibration_is_believed_until_more_answers_contradict_it() -> None:
    factors = Factors()
    assert factors.factor([1.0, 1.0]) == 1.0
    for _ in range(3):
        assert factors.factor([1.0, 1.0]) in (pytest.approx(1.0), pytest.approx(math.sqrt(2)))
        factors.add(2.0, 1.0)
    assert factors.factor([1.0, 1.0]) == pytest.approx(2.0)


@pytest.mark.parametrize("actual", [0.0, -1.0, math.nan, math.inf])
def test_impossible_figures_teach_nothing(actual: float) -> None:
    factors, misses = Factors(), Misses()
    factors.add(actual, 1.0)
    misses.add(actual, 1.0)
    factors.add(1.0, actual)
    misses.add(1.0, actual)
    assert factors.factor() is None
    assert misses.ratio(0.3) == 0.3


@given(RATIOS)
def test_misses_are_the_same_either_way(ratios: list[float]) -> None:
    over, under = Misses(), Misses()
    for ratio in ratios:
        over.add(ratio, 1.0)
        under.add(1.0, ratio)
    assert over.ratio(0.1) == pytest.approx(under.ratio(0.1))
    assert over.ratio(0.1) >= 0


def test_what_is_too_short_to_time_is_left_out() -> None:
    history, watts = PredictionHistory(), Watts(None, 1.0, 1.0)
    history.learn(Served(100, 99, 4, 0.5, 0.5), 0.1, 0.1, watts)
    assert not history.prefill
    assert not history.decode
    history.learn(Served(100, 50, 50, 0.5, 0.5, energy_j=3.0), 0.1, 0.1, watts)
    assert history.prefill.factor() == pytest.approx(5.0)
    assert history.decode.factor() == pytest.approx(5.0)
    assert history.watts.factor() == pytest.approx(3.0)  # by the seconds that it did take


def test_joules_that_are_not_known_teach_nothing() -> None:
    history = PredictionHistory()
    history.learn(Served(100, 0, 50, 0.5, 0.5), 0.5, 0.5, Watts(None, 1.0, 1.0))
    history.judge(Served(100, 0, 50, 0.5, 0.5, energy_j=1.0), 1.0, None)
    assert not history.watts
    assert history.energy.ratio(0.2) == 0.2
