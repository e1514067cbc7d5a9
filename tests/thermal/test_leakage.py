"""Leakage doubles, and what it leaves for work falls with heat."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.thermal.leakage import Leakage, phi

LEAKAGES = st.builds(Leakage, st.floats(0.001, 50.0), st.floats(8.0, 40.0))
TEMPS_C = st.floats(-20.0, 120.0)
VOLTAGES = st.floats(0.3, 1.2)


@given(LEAKAGES, TEMPS_C, VOLTAGES)
def test_a_doubling_and_the_voltage_multiply_the_power(
    leakage: Leakage, temp_c: float, voltage: float
) -> None:
    once_w = leakage.power_w(temp_c)
    assert leakage.power_w(temp_c + leakage.doubling_c) == pytest.approx(2.0 * once_w)
    assert leakage.power_w(temp_c, voltage) == pytest.approx(voltage * once_w)
    assert leakage.power_w(leakage.reference_c) == leakage.reference_w


@given(LEAKAGES, TEMPS_C, VOLTAGES)
def test_the_slope_is_the_derivative(leakage: Leakage, temp_c: float, voltage: float) -> None:
    step_c = 1e-3
    higher_w = leakage.power_w(temp_c + step_c, voltage)
    lower_w = leakage.power_w(temp_c - step_c, voltage)
    numeric = (higher_w - lower_w) / (2.0 * step_c)
    assert leakage.slope_w_per_c(temp_c, voltage) == pytest.approx(numeric, rel=1e-6)


@given(LEAKAGES, st.floats(0.01, 100.0), TEMPS_C, st.floats(0.1, 50.0))
def test_the_yield_is_a_share_that_falls_with_heat(
    leakage: Leakage, dynamic_w: float, temp_c: float, more_c: float
) -> None:
    cool, hot = phi(leakage, dynamic_w, temp_c), phi(leakage, dynamic_w, temp_c + more_c)
    assert 0.0 < hot < cool <= 1.0


def test_the_yield_is_all_without_leakage_and_nothing_without_work() -> None:
    assert phi(Leakage(0.0), 3.0, 60.0) == 1.0
    assert phi(Leakage(1.0), 0.0, 60.0) == 0.0
    assert phi(Leakage(0.0), 0.0, 60.0) == 0.0


def test_absurd_heat_is_a_number_all_the_same() -> None:
    assert Leakage(1.0).power_w(1e9) > 1e100
