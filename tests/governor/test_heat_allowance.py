"""Heat as watts: by a forecast, by the temperature, by memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from look_help import QUIET
from still_heat import StillHeat

from edge_rt.governor.policy.heat_allowance import HeatAllowance, cools_in_s

IDLE_W, FULL_W, LIMIT_C = 4.0, 12.0, 75.0


def after(
    known: HeatAllowance,
    seconds: float,
    thermal: StillHeat | None,
    temp_c: float | None,
    start_s: float = 0.0,
    limit_c: float | None = LIMIT_C,
) -> float | None:
    found = None
    for number in range(round(seconds * 5)):
        look = replace(QUIET, time_s=start_s + number / 5, temp_c=temp_c)
        found = known.update(look, thermal, limit_c, IDLE_W, FULL_W)
    return found


def test_a_believed_forecast_sets_it() -> None:
    heat = StillHeat()
    assert after(HeatAllowance(30.0), 60.0, heat, 60.0) == pytest.approx(10.0, abs=0.01)
    assert set(heat.asked_s) == {30.0}
    assert len(heat.asked_s) <= 61  # a forecast is work


def test_it_moves_smoothly_and_down_faster_than_up() -> None:
    known = HeatAllowance(30.0)
    first = after(known, 0.2, StillHeat(), 60.0)
    assert first is not None
    assert first > 20.0
    low = after(known, 60.0, StillHeat(per_w=10.0), 60.0, 1.0)
    up = after(known, 1.0, StillHeat(), 60.0, 61.0)
    down = after(known, 1.0, StillHeat(per_w=50.0), 60.0, 62.0)
    assert low == pytest.approx(5.0, abs=0.01)
    assert up is not None
    assert down is not None
    assert 0.2 < up - 5.0 < 1.0
    assert up - down > 1.0


@pytest.mark.parametrize(("temp_c", "watts"), [(75.0, 4.0), (71.0, 8.0), (90.0, 4.0), (60.0, 24.0)])
def test_without_belief_the_last_kelvins_lead_from_full_to_idle(
    temp_c: float, watts: float
) -> None:
    doubted = StillHeat(believed=False)
    assert after(HeatAllowance(30.0), 60.0, doubted, temp_c) == pytest.approx(watts, abs=0.05)
    assert after(HeatAllowance(30.0), 60.0, None, temp_c) == pytest.approx(watts, abs=0.05)


def test_without_a_temperature_it_looks_far_ahead_and_remembers() -> None:
    known, heat = HeatAllowance(30.0), StillHeat(per_w=10.0)
    after(known, 5.0, heat, 60.0)
    careful = pytest.approx(4.5, abs=0.05)  # 5 K further down
    assert after(known, 60.0, heat, None, 5.0) == careful
    heat.silent = True
    assert after(known, 600.0, heat, None, 65.0) == careful


def test_it_says_nothing_where_nothing_is_known() -> None:
    assert after(HeatAllowance(30.0), 5.0, StillHeat(), 60.0, limit_c=None) is None
    assert after(HeatAllowance(30.0), 5.0, None, None) is None
    assert after(HeatAllowance(30.0), 5.0, StillHeat(silent=True), None) is None


def test_cooling_is_told_from_the_forecast() -> None:
    assert cools_in_s(StillHeat(), 4.0, 50.0) == 5.0
    assert cools_in_s(StillHeat(), 4.0, 40.0) == 480.0  # it never does: as long as is looked ahead
    assert cools_in_s(StillHeat(believed=False), 4.0, 50.0) is None
    assert cools_in_s(None, 4.0, 50.0) is None
