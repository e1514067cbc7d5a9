"""The placement benchmark and the measure of fronts that it rests on."""

from __future__ import annotations

from itertools import count

import pytest
from benchlib import placement
from benchlib.placement import hypervolume, worst
from hypothesis import given
from hypothesis import strategies as st

POINTS = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1)


def test_the_area_of_a_front_is_that_of_its_steps() -> None:
    assert hypervolume([(1.0, 2.0), (2.0, 1.0)], (3.0, 3.0)) == 3.0
    assert hypervolume([(1.0, 2.0), (2.5, 2.5)], (3.0, 3.0)) == 2.0
    assert hypervolume([(4.0, 1.0)], (3.0, 3.0)) == 0.0


@given(POINTS, POINTS)
def test_more_points_never_dominate_less(
    some: list[tuple[float, float]], more: list[tuple[float, float]]
) -> None:
    reference = (11.0, 11.0)
    assert hypervolume(some, reference) <= hypervolume([*some, *more], reference) + 1e-9


def test_the_reference_lies_beyond_the_front_by_a_tenth_of_its_span() -> None:
    assert worst([(1.0, 20.0), (2.0, 10.0)]) == pytest.approx((2.1, 21.0))
    assert worst([(10.0, 20.0)]) == pytest.approx((11.0, 22.0))


def test_an_instance_knows_its_true_front() -> None:
    one = placement.instance(0)
    found = placement.search(one, 200, momentum=False)
    assert 0.0 <= found.share <= 1.0 + 1e-9
    assert found.seconds > 0.0


def test_time_is_taken_by_the_clock() -> None:
    ticks = count(0.0, 2.0)
    one = placement.instance(1, clock=lambda: next(ticks))
    assert one.enumeration_s == 2.0
    assert placement.search(one, 10, momentum=True, clock=lambda: next(ticks)).seconds == 2.0


def test_the_benchmark_tells_all_its_values() -> None:
    said: list[str] = []
    found = placement.values([placement.instance(seed) for seed in range(2)], said.append)
    assert {"placement_hv_min", "placement_s", "momentum_gain"} <= set(found)
    assert found["placement_hv_min"] >= 0.99
    assert said
