"""A steady temperature solves its equation and is stable, or the chip runs away."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.thermal.leakage import Leakage, critical_c, runs_away, settled

LEAKAGES = st.builds(Leakage, st.just(0.0) | st.floats(1e-3, 20.0), st.floats(8.0, 40.0))
RESISTANCES = st.just(0.0) | st.floats(0.01, 30.0)


def rise_c(leakage: Leakage, other_w: float, resistance: float, temp_c: float) -> float:
    return resistance * (other_w + leakage.power_w(temp_c))


@given(LEAKAGES, st.floats(0.0, 60.0), RESISTANCES, st.floats(-20.0, 60.0))
def test_it_settles_where_heat_in_and_out_agree_or_heat_wins_everywhere(
    leakage: Leakage, other_w: float, resistance: float, ambient_c: float
) -> None:
    temp_c = settled(leakage, other_w, resistance, ambient_c)
    if temp_c is not None:
        rise = rise_c(leakage, other_w, resistance, temp_c)
        assert temp_c == pytest.approx(ambient_c + rise, abs=1e-6)
        assert temp_c <= critical_c(leakage, resistance)
    else:
        for each_c in range(-20, 400):
            assert ambient_c + rise_c(leakage, other_w, resistance, each_c) > each_c - 1e-6


@given(LEAKAGES, st.floats(0.0, 60.0), st.floats(0.1, 30.0), st.floats(-20.0, 60.0))
def test_simple_iteration_from_cold_ends_at_the_same_place(
    leakage: Leakage, other_w: float, resistance: float, ambient_c: float
) -> None:
    expected_c = settled(leakage, other_w, resistance, ambient_c)
    temp_c = ambient_c
    for _ in range(2000):
        temp_c = min(1e4, ambient_c + rise_c(leakage, other_w, resistance, temp_c))
    if expected_c is None:
        assert temp_c > critical_c(leakage, resistance) - 1.0
    else:
        assert temp_c <= expected_c + 1e-6
        if resistance * leakage.slope_w_per_c(expected_c) < 0.98:  # nearer to 1 it takes for ever
            assert temp_c == pytest.approx(expected_c, abs=1e-3)


@given(LEAKAGES, RESISTANCES, st.floats(0.001, 20.0))
def test_each_degree_brings_more_than_one_beyond_the_critical_temperature(
    leakage: Leakage, resistance: float, beside_c: float
) -> None:
    limit_c = critical_c(leakage, resistance)
    if math.isinf(limit_c):
        assert not runs_away(leakage, resistance, 150.0)
    else:
        assert runs_away(leakage, resistance, limit_c + beside_c)
        assert not runs_away(leakage, resistance, limit_c - beside_c)


def test_more_power_settles_hotter_until_it_runs_away() -> None:
    leakage = Leakage(1.0, 20.0)
    temps = [settled(leakage, other_w, 5.0, 25.0) for other_w in (0.0, 2.0, 4.0, 40.0)]
    assert temps[3] is None
    assert 25.0 < (temps[0] or 0.0) < (temps[1] or 0.0) < (temps[2] or 0.0)


def test_without_leakage_it_is_ambient_plus_resistance_times_power() -> None:
    assert settled(Leakage(0.0), 4.0, 5.0, 25.0) == 45.0
    assert settled(Leakage(1.0), 4.0, 0.0, 25.0) == 25.0
