"""Memory that fills up costs more and more, and a plan that fills it cannot be had."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.routing.placement import EASY, FULL, Demand, cpq, feasible, penalty

PRESSURES = st.floats(0.0, 2.0)


@given(PRESSURES, PRESSURES, st.floats(0.0, 10.0))
def test_the_penalty_never_falls_as_memory_fills(one: float, two: float, kappa: float) -> None:
    low, high = sorted((one, two))
    assert 1.0 <= penalty(low, kappa) <= penalty(high, kappa)


@given(PRESSURES)
def test_a_plan_is_infeasible_from_95_percent_on(pressure: float) -> None:
    assert feasible(pressure) == (pressure < 0.95)
    assert math.isinf(penalty(pressure)) == (pressure >= 0.95)


def test_memory_is_free_up_to_80_percent_and_dear_near_the_end() -> None:
    assert penalty(EASY) == 1.0
    assert penalty(0.9) == pytest.approx(2.0)
    assert penalty(0.9, kappa=3.0) == pytest.approx(4.0)
    assert penalty(math.nextafter(FULL, 0)) == pytest.approx(4.0)


def test_pressure_is_all_that_must_fit_over_what_can_be_used() -> None:
    demand = Demand(weights_bytes=3e9, kv_bytes=6e8, activation_bytes=3e8, workspace_bytes=1e8)
    assert demand.bytes == 4e9
    assert cpq(demand, 5e9) == pytest.approx(0.8)
    assert cpq(demand, 5e9, fragmentation=0.2) == pytest.approx(1.0)


@pytest.mark.parametrize(("usable", "fragmentation"), [(0.0, 0.0), (-1e9, 0.0), (1e9, 1.0)])
def test_nothing_fits_where_there_is_no_room(usable: float, fragmentation: float) -> None:
    assert not feasible(cpq(Demand(1.0, 0.0), usable, fragmentation))
