"""What comes of a power and what power may come of a limit are each other's inverse."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.thermal.course import HOUR_S, Band, Outlook, Trajectory
from edge_rt.thermal.leakage import Leakage
from edge_rt.thermal.network import Network, Pair

BOARD = Network((1.5, 6.0), (4.0, 60.0), 2.0, 28.0)
WARM, HOT = (50.0, 45.0), (90.0, 80.0)
horizons = st.floats(3.0, HOUR_S)


def outlook(temps_c: Pair = WARM, leakage: Leakage | None = None) -> Outlook:
    return Outlook(
        Trajectory(BOARD, temps_c, 0.3, leakage and leakage.power_w), Band(3.0, 0.1), Band(3.0, 0.1)
    )


leakages = st.sampled_from([None, Leakage(0.4, 20.0)])


@given(st.floats(55.0, 150.0), horizons, leakages)
def test_the_most_power_stays_below_the_limit_and_a_little_more_does_not(
    limit_c: float, horizon_s: float, leakage: Leakage | None
) -> None:
    ahead = outlook(leakage=leakage)
    most_w = ahead.most_power_w(limit_c, horizon_s)
    assert most_w > 0.0
    assert limit_c - 0.05 <= sum(ahead.peak(most_w, horizon_s)) <= limit_c
    assert sum(ahead.peak(most_w + 0.2, horizon_s)) > limit_c


@given(st.floats(0.0, 200.0), st.floats(0.0, 20.0), horizons)
def test_a_lower_limit_allows_no_more(limit_c: float, more_c: float, horizon_s: float) -> None:
    ahead = outlook()
    lower, higher = (ahead.most_power_w(c, horizon_s) for c in (limit_c, limit_c + more_c))
    assert lower <= higher + 0.02


@given(st.floats(60.0, 150.0), horizons, st.floats(1.0, 10.0))
def test_a_longer_horizon_allows_no_more(limit_c: float, horizon_s: float, more: float) -> None:
    ahead = outlook()
    assert ahead.most_power_w(limit_c, horizon_s * more) <= (
        ahead.most_power_w(limit_c, horizon_s) + 0.02
    )


def test_nothing_is_allowed_where_even_nothing_is_too_much() -> None:
    assert outlook(HOT).most_power_w(70.0, 30.0) == 0.0


def test_what_cannot_be_helped_any_more_does_not_count() -> None:
    """A chip above the limit that cools below it within three seconds may go on."""
    ahead = outlook((71.0, 45.0))
    assert sum(ahead.peak(0.0, 30.0)) > 70.0
    assert ahead.most_power_w(70.0, 30.0) > 0.0


def test_a_limit_out_of_reach_is_no_limit() -> None:
    assert outlook().most_power_w(math.inf, 30.0) >= 1000.0


@given(st.floats(0.0, 20.0), horizons)
def test_the_peak_is_no_lower_than_any_forecast(power_w: float, horizon_s: float) -> None:
    ahead = outlook(HOT)
    peak = sum(ahead.peak(power_w, horizon_s))
    for share in (0.0, 0.1, 0.5, 1.0):
        assert peak >= sum(ahead.forecast(power_w, share * horizon_s)) - 1e-9


@given(st.floats(51.0, 120.0), st.floats(0.0, 30.0), leakages)
def test_the_seconds_to_a_limit_are_when_the_forecast_reaches_it(
    limit_c: float, power_w: float, leakage: Leakage | None
) -> None:
    ahead = outlook(leakage=leakage)
    seconds = ahead.seconds_to(limit_c, power_w)
    if seconds is None:
        assert ahead.forecast(power_w, HOUR_S).temp_c < limit_c
    else:
        assert 0.0 < seconds <= HOUR_S
        assert ahead.forecast(power_w, seconds).temp_c == pytest.approx(limit_c, abs=1e-6)
        assert ahead.forecast(power_w, 0.5 * seconds).temp_c < limit_c


def test_more_power_is_there_sooner() -> None:
    times = [outlook().seconds_to(80.0, power_w) for power_w in (10.0, 15.0, 30.0)]
    assert all(time_s is not None for time_s in times)
    assert times == sorted(times, key=lambda time_s: -(time_s or 0.0))


def test_what_is_hot_already_is_there_now() -> None:
    assert outlook(HOT).seconds_to(85.0, 1.0) == 0.0
