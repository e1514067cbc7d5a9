"""The model answers consistently, whatever it is told, and never grows."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.thermal.leakage import Leakage
from edge_rt.thermal.model import BLIND_S, ThermalModel
from edge_rt.thermal.network import Network
from edge_rt.thermal.prior import Prior

TRUE = Network((1.5, 6.0), (4.0, 60.0), 2.0, 28.0)
PRIOR = Prior((1.0, 9.0), (3.0, 40.0), 1.5)
DT_S = 0.2


class Board:
    """A board that a model watches."""

    def __init__(self, leakage: Leakage | None = None) -> None:
        self.model = ThermalModel(PRIOR, leakage and leakage.power_w)
        self.time_s = 0.0
        self.temps = TRUE.steady(2.0, 0.5)

    def run(
        self,
        seconds: float,
        sees_heat: bool = True,
        sees_power: bool = True,
        dt_s: float = DT_S,
        told: bool = True,
    ) -> None:
        """At 2 and 7 W in turn, half a minute each; not `told`: nobody looks."""
        for _ in range(round(seconds / dt_s)):
            self.time_s += dt_s
            power_w = 7.0 if self.time_s // 30.0 % 2 else 2.0
            self.temps = tuple(TRUE.advance(TRUE.chain(dt_s, 0.5), self.temps, power_w))
            temp_c = round(self.temps[0], 1) if sees_heat else None
            if told:
                self.model.observe(self.time_s, temp_c, power_w if sees_power else None, 0.5)

    def error_k(self, seconds: float = 30.0) -> float:
        """Of the forecast for half a minute at 5 W."""
        forecast = self.model.forecast(5.0, seconds)
        assert forecast is not None
        temps, chain = self.temps, TRUE.chain(0.05, 0.5)
        for _ in range(round(seconds / 0.05)):
            temps = TRUE.advance(chain, temps, 5.0)
        return abs(temps[0] - forecast.temp_c)


def answers(model: ThermalModel) -> list[object]:
    return [
        model.forecast(5.0, 30.0),
        model.peak_c(5.0, 30.0),
        model.most_power_w(80.0, 30.0),
        model.seconds_to(80.0, 50.0),
        model.trial(),
    ]


def why(model: ThermalModel) -> str:
    assert model.state is not None
    return model.state.why


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


def test_a_missed_temperature_does_not_shake_belief_but_a_minute_of_them_ends_it() -> None:
    board = Board()
    board.run(300.0)
    board.run(1.0, sees_heat=False)
    assert board.model.believed
    board.run(20.0, sees_heat=False)
    assert not board.model.believed
    assert "no temperature has been read for" in why(board.model)
    assert board.error_k() < 1.0  # the power is known, so forecasts go on
    board.run(BLIND_S, sees_heat=False)
    assert answers(board.model) == [None] * 5


def test_blindness_widens_the_band() -> None:
    board = Board()
    board.run(300.0)
    before = board.model.forecast(5.0, 30.0)
    board.run(20.0, sees_heat=False)
    after = board.model.forecast(5.0, 30.0)
    assert before is not None
    assert after is not None
    assert after.band_k > before.band_k


def test_it_sees_again_at_once_after_blindness() -> None:
    board = Board()
    board.run(300.0)
    board.run(100.0, sees_heat=False)
    board.run(1.0)
    assert board.model.believed
    assert board.error_k() < 0.3


def test_without_power_temperatures_are_followed_and_what_was_learnt_stays() -> None:
    board = Board()
    board.run(300.0)
    before = board.model.state
    board.run(60.0, sees_power=False)
    after = board.model.state
    assert before is not None
    assert after is not None
    assert after.temps_c[0] == pytest.approx(board.temps[0], abs=0.5)
    assert after.ambient_c == before.ambient_c
    assert after.resistance_c_per_w == before.resistance_c_per_w


def test_after_a_gap_it_starts_from_what_it_reads_with_what_it_has_learnt() -> None:
    board = Board()
    board.run(300.0)
    before = board.model.state
    board.run(600.0, told=False)
    board.temps = (70.0, 60.0)  # whatever has happened
    board.run(DT_S)
    after = board.model.state
    assert before is not None
    assert after is not None
    assert after.temps_c[0] == pytest.approx(board.temps[0], abs=1.0)
    assert after.time_constants_s == before.time_constants_s
    board.run(60.0)
    assert board.error_k() < 0.5


def test_a_clock_that_is_set_back_is_a_gap() -> None:
    board = Board()
    board.run(300.0)
    board.time_s -= 1000.0
    board.run(60.0)
    assert board.error_k() < 0.5


@pytest.mark.parametrize(("temp_c", "power_w"), [(0.0, 2.0), (150.0, 2.0), (55.0, 900.0)])
def test_one_garbled_reading_spoils_nothing(temp_c: float, power_w: float) -> None:
    found: list[float] = []
    for garbled in (False, True):
        board = Board()
        board.run(300.0)
        if garbled:
            board.model.observe(board.time_s + 0.1, temp_c, power_w, 0.5)
        board.run(10.0)
        assert board.model.believed
        forecast = board.model.forecast(5.0, 30.0)
        assert forecast is not None
        found += forecast
    assert found[2:] == pytest.approx(found[:2], abs=0.3)


def test_heat_from_nowhere_is_followed_but_teaches_nothing() -> None:
    board = Board()
    board.run(300.0)
    before = board.model.state
    board.temps = (board.temps[0] + 30.0, board.temps[1])
    board.run(0.4)
    after = board.model.state
    assert before is not None
    assert after is not None
    assert after.temps_c[0] == pytest.approx(board.temps[0], abs=1.0)
    assert after.time_constants_s == before.time_constants_s


@pytest.mark.parametrize("leakage", [None, Leakage(0.4, 20.0)])
@pytest.mark.parametrize("seconds", [2.0, 30.0, 300.0])
def test_answers_agree_with_each_other(seconds: float, leakage: Leakage | None) -> None:
    board = Board(leakage)
    board.run(seconds)
    model = board.model
    for horizon_s in (5.0, 30.0, 300.0):
        most_w = model.most_power_w(85.0, horizon_s)
        assert most_w is not None
        peak = model.peak_c(most_w, horizon_s)
        assert peak is not None
        assert sum(peak) == pytest.approx(85.0, abs=0.05)
        seconds_to = model.seconds_to(85.0, most_w)
        assert seconds_to is None or seconds_to >= horizon_s


@pytest.mark.parametrize("seconds", [0.4, 2.0, 30.0, 300.0])
def test_more_power_is_hotter_with_and_without_the_band(seconds: float) -> None:
    board = Board(Leakage(0.4, 20.0))
    board.run(seconds)
    for horizon_s in (1.0, 30.0, 600.0):
        peaks = [board.model.peak_c(0.5 * half, horizon_s) for half in range(60)]
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
    st.sampled_from([PRIOR, Prior((9.0,), (30.0,)), Prior((0.3, 0.2, 2.0), (10.0, 60.0, 300.0))]),
)
def test_nothing_makes_it_raise_or_lose_its_numbers(
    looks: list[tuple[float, float | None, float | None, float | None]],
    asked: tuple[float, float, float],
    prior: Prior,
) -> None:
    model, time_s = ThermalModel(prior, Leakage(0.4, 20.0).power_w), 0.0
    for dt_s, temp_c, power_w, fan in looks:
        time_s += dt_s if math.isfinite(dt_s) and abs(dt_s) < 1e9 else 0.0
        model.observe(time_s if math.isfinite(dt_s) else dt_s, temp_c, power_w, fan)
    power_w, horizon_s, limit_c = asked
    model.forecast(power_w, horizon_s)
    model.peak_c(power_w, horizon_s)
    model.most_power_w(limit_c, horizon_s)
    model.seconds_to(limit_c, power_w)
    assert isinstance(model.believed, bool)
    forecast, most_w, state = model.forecast(5.0, 30.0), model.most_power_w(80.0, 30.0), model.state
    assert forecast is None or all(map(math.isfinite, forecast))
    assert most_w is None or math.isfinite(most_w)
    assert state is None or all(map(math.isfinite, state.temps_c))
