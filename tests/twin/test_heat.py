"""Heat is conserved, whatever the step."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.twin.components import Ladder

POSITIVE = st.floats(0.1, 100.0)


@given(
    rows=st.lists(st.tuples(POSITIVE, POSITIVE, st.floats(0.0, 50.0)), min_size=1, max_size=3),
    air_c=st.floats(-20.0, 50.0),
)
def test_the_steady_state_is_ambient_plus_resistance_times_power(
    rows: list[tuple[float, float, float]], air_c: float
) -> None:
    resistances, capacities, powers = zip(*rows, strict=True)
    ladder = Ladder(resistances, capacities, air_c)
    for _ in range(3):
        ladder.step(1e12, powers, air_c, 1.0)
    expected = air_c
    for node in range(len(rows) - 1, -1, -1):
        expected += resistances[node] * sum(powers[: node + 1])
        assert ladder.temps_c[node] == pytest.approx(expected, rel=1e-6, abs=1e-3)


@given(dt_s=st.floats(0.01, 1.0), power_w=st.floats(0.0, 50.0))
def test_what_flows_in_is_stored_or_flows_out(dt_s: float, power_w: float) -> None:
    ladder = Ladder((0.5, 4.0), (5.0, 100.0), 25.0)
    stored_j = lost_j = 0.0
    for _ in range(50):
        ladder.step(dt_s, (power_w, 2.0), 25.0, 1.0)
        lost_j += dt_s * (ladder.temps_c[1] - 25.0) / 4.0
    stored_j = 5.0 * (ladder.temps_c[0] - 25.0) + 100.0 * (ladder.temps_c[1] - 25.0)
    assert stored_j + lost_j == pytest.approx(50 * dt_s * (power_w + 2.0))


def test_one_node_follows_the_exponential() -> None:
    ladder = Ladder((2.0,), (50.0,), 20.0)
    for _ in range(1000):
        ladder.step(0.1, (10.0,), 20.0, 1.0)
    assert ladder.temps_c[0] == pytest.approx(20.0 + 20.0 * (1 - math.exp(-1.0)), abs=0.02)


def test_a_fan_divides_the_resistance_to_the_air() -> None:
    ladder = Ladder((2.0,), (50.0,), 20.0)
    ladder.step(1e9, (10.0,), 20.0, 4.0)
    assert ladder.temps_c[0] == pytest.approx(25.0)
