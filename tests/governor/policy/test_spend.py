"""Energy of an hour or a day, spread over it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.config.schema import BudgetConfig
from edge_rt.governor.budget import Spend, affords_in_s, spend

HOUR = BudgetConfig(energy_j=36_000.0, energy_period="hour")  # 10 W all the time
IDLE_W = 4.0


def allowed(supply_j: float, left_s: float, idle_w: float = IDLE_W) -> float:
    known = spend(HOUR, supply_j, left_s, idle_w)
    assert known is not None
    return known.power_w


def test_nothing_is_said_without_a_budget_or_a_counter() -> None:
    assert spend(BudgetConfig(power_w=5.0), 1.0, 1.0, IDLE_W) is None
    assert spend(HOUR, None, 1800.0, IDLE_W) is None
    assert spend(HOUR, 1.0, None, IDLE_W) is None


def test_who_keeps_to_the_even_share_may_go_on_with_a_little_more() -> None:
    assert 10.0 <= allowed(18_000.0, 1800.0) <= 18.0


def test_savings_may_be_spent_but_not_the_idle_power_of_the_rest() -> None:
    assert allowed(7_200.0, 1800.0) > 20.0
    short = allowed(36_000.0 - 1800.0 * IDLE_W, 1800.0)
    assert short == pytest.approx(IDLE_W)


def test_who_has_spent_all_may_draw_nothing() -> None:
    assert allowed(36_000.0, 600.0) == 0.0
    assert allowed(50_000.0, 600.0) == 0.0


@given(st.floats(0.0, 9.9), st.floats(0.0, 60.0), st.integers(0, 3599))
def test_whatever_an_engine_wants_the_hour_is_not_overdrawn(
    idle_w: float, wants_w: float, start_s: int
) -> None:
    supply_j = idle_w * start_s  # nothing was done so far
    for second in range(start_s, 3600, 10):
        left_s = 3600.0 - second
        power_w = max(idle_w, min(wants_w, allowed(supply_j, left_s, idle_w)))
        supply_j += power_w * min(10.0, left_s)
    assert supply_j <= 36_000.0 * 1.001


def test_an_idle_board_saves_up_until_it_affords_more() -> None:
    known = Spend(power_w=5.0, left_j=5.0 * 1000.0, period_left_s=1000.0)
    wait_s = affords_in_s(known, IDLE_W, 6.0)
    left_j, left_s = known.left_j - IDLE_W * wait_s, known.period_left_s - wait_s
    assert left_j / left_s == pytest.approx(6.0)


def test_the_next_period_pays_at_the_latest() -> None:
    known = Spend(power_w=0.0, left_j=-5.0, period_left_s=700.0)
    assert affords_in_s(known, IDLE_W, 6.0) == 700.0
    assert affords_in_s(known, 6.0, 6.0) == 700.0
    assert affords_in_s(Spend(9.0, 9_000.0, 1000.0), IDLE_W, 6.0) == 0.0
