"""Duties by phase, and windows that passes do not fill evenly."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.governor.budget import PowerBounds
from edge_rt.governor.policy.choice import (
    OperatingPoint,
    OperatingPoints,
    best_pass_s,
    choose,
    evened,
)
from edge_rt.governor.policy.setting import EngineSetting, WorkMix
from edge_rt.governor.power.draws import Priors
from edge_rt.governor.power.model import PowerModel

FOUR = EngineSetting(4)


def chooser(aim_w: float | None, mix: WorkMix | None = None) -> OperatingPoints:
    """Settings of a board that draws 3 W at rest, 4 W more to decode, 6 W more to read prompts."""
    power = PowerModel(4, Priors(3.0, 1.0, prompts=1.5))
    bounds = PowerBounds({} if aim_w is None else {"power_w": aim_w}, None, None, aim_w)
    return OperatingPoints(
        power, bounds, mix or WorkMix(), lambda setting: (setting.threads, setting.threads), 1.0
    )


def test_each_phase_has_the_duty_that_its_draw_allows() -> None:
    found = chooser(6.0).at(FOUR)
    assert found.duty == pytest.approx(3.0 / 4.0)
    assert found.prompt_duty == pytest.approx(3.0 / 6.0)
    assert found.planned_w == pytest.approx((6.0, 6.0))


def test_threads_that_wait_within_a_pass_may_have_longer_ones() -> None:
    found = chooser(6.0, WorkMix(intensity=0.9, prompt_intensity=1.0)).at(FOUR)
    assert found.duty == pytest.approx(3.0 / 4.0 / 0.9)
    assert found.prompt_duty == pytest.approx(0.5)


def test_nothing_is_paced_that_nothing_bounds() -> None:
    found = chooser(None).at(FOUR)
    assert (found.duty, found.prompt_duty, found.power_w) == (1.0, 1.0, pytest.approx(7.0))


def test_the_present_window_may_leave_less() -> None:
    found = chooser(6.0).at(FOUR, room_w=5.0)
    assert found.duty == pytest.approx(0.5)
    assert found.planned_w == pytest.approx((6.0, 6.0))  # which is no plan


def test_power_is_that_of_the_mix_by_time() -> None:
    reads = chooser(None, WorkMix(prompt_share=0.5)).at(FOUR)
    assert reads.power_w == pytest.approx(0.5 * 7.0 + 0.5 * 9.0)


def test_settings_above_the_peak_are_left_out_but_for_the_lowest() -> None:
    settings = [EngineSetting(n) for n in (1, 2, 3, 4)]
    assert [c.threads for c in chooser(6.0).options(settings, 6.1)] == [1, 2]
    assert [c.threads for c in chooser(6.0).options(settings, 1.0)] == [1]


def test_a_clock_is_changed_for_less_than_threads_are() -> None:
    present = OperatingPoint(FOUR, 1.0, 1.0, 1.0, 5.0, (5.0, 5.0))
    slower = replace(present, setting=EngineSetting(4, 0.9), speed=1.02)
    fewer = replace(present, setting=EngineSetting(3), speed=1.02)
    assert choose([present, slower], FOUR) == slower
    assert choose([present, fewer], FOUR) == present


@given(st.floats(0.1, 0.95), st.floats(0.03, 0.3), st.floats(0.0, 1.0))
def test_no_window_has_more_than_its_share(share: float, pass_s: float, begin: float) -> None:
    """Passes and rests as they come, and a window that begins anywhere among them."""
    duty = evened(share, pass_s, 1.0)
    assert duty <= share
    if share < pass_s:  # a window may have all of a pass whatever the rest
        return
    cycle_s = pass_s / duty
    start_s = begin * cycle_s
    busy_s = sum(
        max(0.0, min(start_s + 1.0, k * cycle_s + pass_s) - max(start_s, k * cycle_s))
        for k in range(int(2.0 / cycle_s) + 3)
    )
    assert busy_s <= share + 1e-9


def test_passes_are_longer_where_each_loses_more_and_where_they_are_paced_less() -> None:
    assert best_pass_s(0.5, 0.01, 0.4, 1.0) < best_pass_s(0.5, 0.04, 0.4, 1.0)
    assert best_pass_s(0.5, 0.01, 0.4, 1.0) < best_pass_s(0.8, 0.01, 0.4, 1.0)
    best_s = best_pass_s(0.5, 0.02, 0.4, 1.0)

    def cost(pass_s: float) -> float:
        return 0.4 * 0.02 / pass_s + pass_s * (1.0 / 0.5 - 1.0)

    assert cost(best_s) < min(cost(0.8 * best_s), cost(1.25 * best_s))
