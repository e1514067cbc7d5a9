"""Counters wrap and are reset."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board.readers.rapl import POWER_HIGH_W, EnergyCounter

RANGE_UJ = 65_532_610_987


@given(
    start=st.integers(0, RANGE_UJ - 1),
    steps=st.lists(
        st.tuples(st.floats(0.01, 10.0), st.floats(0.0, POWER_HIGH_W * 0.99)), max_size=30
    ),
)
def test_energy_is_the_same_wherever_the_counter_wraps(
    start: int, steps: list[tuple[float, float]]
) -> None:
    counter = EnergyCounter(RANGE_UJ)
    counter.advance(start, 0.0)
    now_s, used_uj = 0.0, 0
    for elapsed, watts in steps:
        before_s, now_s = now_s, now_s + elapsed
        step_uj = int(watts * (now_s - before_s) * 1e6)
        used_uj += step_uj
        counter.advance((start + used_uj) % RANGE_UJ, now_s)
        assert counter.power_w == pytest.approx(step_uj * 1e-6 / (now_s - before_s), abs=1e-9)
    assert counter.energy_j == pytest.approx(used_uj * 1e-6)


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.floats(0.0, 5.0)), min_size=1))
def test_energy_and_power_are_never_negative_nor_absurd(readings: list[tuple[int, float]]) -> None:
    counter, now_s = EnergyCounter(RANGE_UJ), 0.0
    for raw, elapsed in readings:
        now_s += elapsed
        counter.advance(raw, now_s)
        assert counter.energy_j >= 0.0
        assert counter.power_w is None or 0.0 <= counter.power_w <= POWER_HIGH_W * 1.000001


@pytest.mark.parametrize("top", [None, RANGE_UJ])
def test_a_counter_that_was_reset_starts_again(top: int | None) -> None:
    counter = EnergyCounter(top)
    counter.advance(5_000_000, 0.0)
    counter.advance(6_000_000, 1.0)
    counter.advance(1_000, 2.0)
    assert (counter.energy_j, counter.power_w) == (0.0, None)
    counter.advance(2_001_000, 3.0)
    assert counter.energy_j == pytest.approx(2.0)
    assert counter.power_w == pytest.approx(2.0)
