"""The model answers consistently, whatever it is told, and never grows."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_board import DT_S, PRIOR, TRUE, Board, answers, peak, why

from edge_rt.thermal.leakage import Leakage
from edge_rt.thermal.model import ThermalModel


@pytest.mark.parametrize(
    "seen", [(), (None, 5.0), (50.0, None), (None, None), (math.nan, 5.0), (50.0, math.nan)]
)
def test_without_temperature_or_power_nothing_is_known(seen: tuple[float | None, ...]) -> None:
    model = ThermalModel(PRIOR)
    for number in range(500 if seen else 0):
        model.observe(number * DT_S, seen[0], seen[1], 0.5)
    assert answers(model) == [None] * 5
    assert model.state is None
    assert not model.believed


def test_after_two_looks_there_are_forecasts_that_are_not_believed_yet() -> None:
    board = Board()
    board.run(0.4)
    assert None not in answers(board.model)
    assert not board.model.believed
    assert "long enough" in why(board.model)


def test_what_is_believed_comes_true() -> None:
    board = Board()
    board.run(300.0)
    assert board.model.believed
    assert board.error_k() < 0.3
    forecast, state = board.model.forecast(5.0, 30.0), board.model.state
    assert forecast is not None
    assert state is not None
    assert forecast.band_k < 2.0
    assert state.temps_c == pytest.approx(board.temps, abs=1.0)
    assert state.resistance_c_per_w == pytest.approx(TRUE.resistance_c_per_w(0.5), rel=0.2)
    assert state.time_constants_s == pytest.approx(TRUE.time_constants_s(0.5), rel=0.2)
    assert state.ambient_c == pytest.approx(TRUE.ambient_c, abs=3.0)
    assert state.believed
    assert "nine of ten" in state.why


@pytest.mark.parametrize("leakage", [None, Leakage(0.4, 20.0)])
@pytest.mark.parametrize("seconds", [2.0, 30.0, 300.0])
def test_answers_agree_with_each_other(seconds: float, leakage: Leakage | None) -> None:
    board = Board(leakage)
    board.run(seconds)
    model = board.model
    for horizon_s in (5.0, 30.0, 300.0):
        most_w = model.most_power_w(85.0, horizon_s)
        assert most_w is not None
        hottest = peak(model, most_w, horizon_s)
        assert hottest is not None
        assert sum(hottest) == pytest.approx(85.0, abs=0.05)
        seconds_to = model.seconds_to(85.0, most_w)
        assert seconds_to is None or seconds_to >= horizon_s


@pytest.mark.parametrize("seconds", [0.4, 2.0, 30.0, 300.0])
def test_more_power_is_hotter_with_and_without_the_band(seconds: float) -> None:
    board = Board(Leakage(0.4, 20.0))
    board.run(seconds)
    for horizon_s in (1.0, 30.0, 600.0):
        peaks = [peak(board.model, 0.5 * half, horizon_s) for half in range(60)]
        ends = [board.model.forecast(0.5 * half, horizon_s) for half in range(60)]
        assert all(a and b and sum(b) >= sum(a) - 1e-9 for a, b in pairwise(peaks))
        assert all(a and b and b.temp_c >= a.temp_c for a, b in pairwise(ends))


def test_a_leakage_that_is_learnt_meanwhile_counts_from_then_on() -> None:
    learnt: list[Leakage] = []
    model = ThermalModel(PRIOR, lambda temp_c: sum(each.power_w(temp_c) for each in learnt))
    for number in range(100):
        model.observe(number * DT_S, 50.0, 5.0, 0.0)
    before = model.forecast(15.0, 60.0)
    learnt.append(Leakage(0.5, 20.0))
    model.observe(20.2, 50.0, 5.0, 0.0)
    after = model.forecast(15.0, 60.0)
    assert before is not None
    assert after is not None
    assert after.temp_c > before.temp_c + 0.2


def test_it_stays_as_small_as_it_is() -> None:
    board, sizes = Board(), list[int]()
    for _ in range(3):
        board.run(1000.0, dt_s=1.0)
        sizes.append(len(pickle.dumps(board.model)))
    assert sizes[2] <= sizes[0] + 300  # a few numbers that take a byte more
    assert board.model.believed
    assert board.error_k() < 0.5


def test_an_hour_of_nothing_new_leaves_it_ready_to_learn() -> None:
    """The covariance neither dies out nor grows without end."""
    board = Board()
    for _ in range(700):
        board.time_s += 4.9
        board.model.observe(board.time_s, round(board.temps[0], 1), 2.0, 0.5)
    board.run(300.0)
    assert board.model.believed
    assert board.error_k() < 0.5


anything = st.floats() | st.none()


def steps() -> Iterator[st.SearchStrategy[float]]:
    yield st.floats(0.05, 1.0)
    yield st.floats()


@given(
    st.lists(
        st.tuples(
            st.one_of(*steps()), st.floats(20, 90) | anything, st.floats(0, 20) | anything, anything
        ),
        max_size=40,
    ),
    st.tuples(st.floats(), st.floats(), st.floats()),
)
def test_nothing_makes_it_raise_or_lose_its_numbers(
    looks: list[tuple[float, float | None, float | None, float | None]],
    asked: tuple[float, float, float],
) -> None:
    model, time_s = ThermalModel(PRIOR, Leakage(0.4, 20.0).power_w), 0.0
    for dt_s, temp_c, power_w, fan in looks:
        time_s += dt_s if math.isfinite(dt_s) and abs(dt_s) < 1e9 else 0.0
        model.observe(time_s if math.isfinite(dt_s) else dt_s, temp_c, power_w, fan)
    power_w, horizon_s, limit_c = asked
    model.forecast(power_w, horizon_s)
    peak(model, power_w, horizon_s)
    model.most_power_w(limit_c, horizon_s)
    model.seconds_to(limit_c, power_w)
    assert isinstance(model.believed, bool)
    forecast, most_w, state = model.forecast(5.0, 30.0), model.most_power_w(80.0, 30.0), model.state
    assert forecast is None or all(map(math.isfinite, forecast))
    assert most_w is None or math.isfinite(most_w)
    assert state is None or all(map(math.isfinite, state.temps_c))
