"""A plan that fills the memory cannot be had."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.routing.memory_pressure import cpq, feasible

PRESSURES = st.floats(0.0, 2.0)


@given(PRESSURES)
def test_a_plan_is_infeasible_from_95_percent_on(pressure: float) -> None:
    assert feasible(pressure) == (pressure < 0.95)


def test_pressure_is_all_that_must_fit_over_what_can_be_used() -> None:
    assert cpq(4e9, 5e9) == pytest.approx(0.8)


@pytest.mark.parametrize("usable", [0.0, -1e9])
def test_nothing_fits_where_there_is_no_room(usable: float) -> None:
    assert not feasible(cpq(1.0, usable))
