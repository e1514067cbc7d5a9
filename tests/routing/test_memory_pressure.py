"""Memory that fills up costs more and more, and a plan that fills it cannot be had."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.routing.memory_pressure import EASY, FULL, cpq, feasible, penalty

PRESSURES = st.floats(0.0, 2.0)


@given(PRESSURES, PRESSURES)
def test_the_penalty_never_falls_as_memory_fills(one: float, two: float) -> None:
    low, high = sorted((one, two))
    assert 1.0 <= penalty(low) <= penalty(high)


@given(PRESSURES)
def test_a_plan_is_infeasible_from_95_percent_on(pressure: float) -> None:
    assert feasible(pressure) == (pressure < 0.95)
    assert math.isinf(penalty(pressure)) == (pressure >= 0.95)


def test_memory_is_free_up_to_80_percent_and_dear_near_the_end() -> None:
    assert penalty(EASY) == 1.0
    assert penalty(0.9) == pytest.approx(2.0)
    assert penalty(math.nextafter(FULL, 0)) == pytest.approx(4.0)


def test_pressure_is_all_that_must_fit_over_what_can_be_used() -> None:
    assert cpq(4e9, 5e9) == pytest.approx(0.8)


@pytest.mark.parametrize("usable", [0.0, -1e9])
def test_nothing_fits_where_there_is_no_room(usable: float) -> None:
    assert not feasible(cpq(1.0, usable))
