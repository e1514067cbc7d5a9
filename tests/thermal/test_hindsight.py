"""What is told with a forecast is at least as wide as recent ones were off."""

from __future__ import annotations

import math

import pytest

from edge_rt.thermal.band import Hindsight

HORIZON_S = 30.0


def run(hindsight: Hindsight, seconds: int, error_k: float, begin_s: int = 0) -> float:
    """Forecasts of 50 °C with a band of 0.5 K, each off by `error_k`; the last half width."""
    told_k = math.nan
    for second in range(begin_s, begin_s + seconds):
        hindsight.look(float(second), 50.0 + error_k)
        told_k = hindsight.band_k(float(second), 50.0, 0.5)
    return told_k


def test_forecasts_that_hold_leave_it_as_it_is() -> None:
    assert run(Hindsight(HORIZON_S), 600, 0.3) == 0.5


def test_forecasts_that_were_off_widen_it() -> None:
    assert run(Hindsight(HORIZON_S), 300, 2.0) >= 2.0


def test_it_narrows_again() -> None:
    hindsight = Hindsight(HORIZON_S)
    run(hindsight, 300, 2.0)
    assert run(hindsight, 3000, 0.1, begin_s=300) == 0.5


@pytest.mark.parametrize("temp_c", [None, 90.0])
def test_what_nobody_saw_in_time_is_not_judged(temp_c: float | None) -> None:
    hindsight = Hindsight(HORIZON_S)
    hindsight.band_k(0.0, 50.0, 0.5)
    hindsight.look(31.0 if temp_c is None else 40.0, temp_c)
    assert hindsight.band_k(41.0, 50.0, 0.5) == 0.5
