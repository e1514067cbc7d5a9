"""Factors follow what lasts and forget it again; what happens once does not move them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.routing import Served
from edge_rt.energy.prediction.equation import Watts
from edge_rt.energy.prediction.history import (
    KEPT,
    PredictionHistory,
    add_factor,
    add_miss,
    factor,
    miss,
)

RATIOS = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=30)


@given(RATIOS)
def test_a_factor_lies_among_the_latest_ratios(ratios: list[float]) -> None:
    factors: list[float] = []
    for ratio in ratios:
        add_factor(factors, ratio, 1.0)
    latest = ratios[-KEPT:]
    found = factor(factors)
    assert found is not None
    assert min(latest) * (1 - 1e-9) <= found <= max(latest) * (1 + 1e-9)


def test_a_lasting_change_is_followed_and_the_past_forgotten() -> None:
    factors: list[float] = []
    for ratio in [1.0] * 50 + [3.0] * (KEPT // 2 + 1):
        add_factor(factors, ratio, 1.0)
    assert factor(factors) == pytest.approx(3.0)


def test_one_answer_that_was_held_up_moves_nothing() -> None:
    factors: list[float] = []
    for ratio in (1.0, 1.0, 100.0, 1.0):
        add_factor(factors, ratio, 1.0)
    assert factor(factors) == pytest.approx(1.0)


def test_a_calibration_is_believed_until_more_answers_contradict_it() -> None:
    factors: list[float] = []
    assert factor(factors, [1.0, 1.0]) == 1.0
    for _ in range(3):
        assert factor(factors, [1.0, 1.0]) in (pytest.approx(1.0), pytest.approx(math.sqrt(2)))
        add_factor(factors, 2.0, 1.0)
    assert factor(factors, [1.0, 1.0]) == pytest.approx(2.0)


@pytest.mark.parametrize("actual", [0.0, -1.0, math.nan, math.inf])
def test_impossible_figures_teach_nothing(actual: float) -> None:
    factors, misses = list[float](), list[float]()
    add_factor(factors, actual, 1.0)
    add_miss(misses, actual, 1.0)
    add_factor(factors, 1.0, actual)
    add_miss(misses, 1.0, actual)
    assert factor(factors) is None
    assert miss(misses, 0.3) == 0.3


@given(RATIOS)
def test_misses_are_the_same_either_way(ratios: list[float]) -> None:
    over, under = list[float](), list[float]()
    for ratio in ratios:
        add_miss(over, ratio, 1.0)
        add_miss(under, 1.0, ratio)
    assert miss(over, 0.1) == pytest.approx(miss(under, 0.1))
    assert miss(over, 0.1) >= 0


def test_what_is_too_short_to_time_is_left_out() -> None:
    history, watts = PredictionHistory(model="a", threads=1), Watts(None, 1.0, 1.0)
    history.learn(Served(100, 99, 4, 0.5, 0.5), 0.1, 0.1, watts)
    assert not history.prefill
    assert not history.decode
    history.learn(Served(100, 50, 50, 0.5, 0.5, energy_j=3.0), 0.1, 0.1, watts)
    assert factor(history.prefill) == pytest.approx(5.0)
    assert factor(history.decode) == pytest.approx(5.0)
    assert factor(history.watts) == pytest.approx(3.0)  # by the seconds that it did take


def test_joules_that_are_not_known_teach_nothing() -> None:
    history = PredictionHistory(model="a", threads=1)
    history.learn(Served(100, 0, 50, 0.5, 0.5), 0.5, 0.5, Watts(None, 1.0, 1.0))
    history.judge(Served(100, 0, 50, 0.5, 0.5, energy_j=1.0), 1.0, None)
    assert not history.watts
    assert miss(history.energy, 0.2) == 0.2
