"""What is told with a forecast is at least as wide as recent ones were off, and comes back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import accumulate

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


def foretold(hindsight: Hindsight, times_s: Iterable[float]) -> list[tuple[float, ...] | None]:
    """Return what was forecast for each of these times; a second s has a forecast of s °C."""
    found: list[tuple[float, ...] | None] = []
    for time_s in times_s:
        hindsight.look(time_s, None)
        found.append(hindsight.due)
        hindsight.band_k(time_s, time_s, 0.5)
    return found


def test_a_forecast_comes_back_a_horizon_later() -> None:
    due = foretold(Hindsight(2.0), range(100, 106))
    assert due == [None, None, *((float(s), 0.5) for s in range(100, 104))]


def test_looks_that_come_a_little_early_or_late_have_their_forecast() -> None:
    times_s = list(accumulate(1.0 + 0.2 * (number % 3 - 1) for number in range(200)))
    due = foretold(Hindsight(HORIZON_S), times_s)
    assert None not in due[40:]
    for time_s, found in zip(times_s[40:], due[40:], strict=True):
        assert found is not None
        assert found[0] == pytest.approx(time_s - HORIZON_S, abs=1.5)


def test_a_forecast_for_a_time_at_which_nobody_looked_is_forgotten() -> None:
    hindsight = Hindsight(HORIZON_S)
    assert foretold(hindsight, [*range(10), *range(110, 120)]) == [None] * 20
