"""A course is what the network does, hour by hour, and leakage comes on top."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_board import steady

from edge_rt.thermal.course import HOUR_S, TIMES_S, Trajectory, between, reach
from edge_rt.thermal.leakage import Leakage
from edge_rt.thermal.network import Network

BOARD = Network((1.5, 6.0), (4.0, 60.0), 2.0, 28.0)
COLD = (30.0, 29.0)
ALL = len(TIMES_S)
LEAKAGE = Leakage(0.4, 20.0)


def finely(power_w: float, seconds: float, leakage: Leakage | None = None) -> float:
    """The chip's temperature by steps of 20 ms."""
    step, temps = BOARD.step(0.02, 0.3), COLD
    for _ in range(round(seconds / 0.02)):
        more_w = leakage.power_w(temps[0]) - leakage.power_w(COLD[0]) if leakage else 0.0
        temps = BOARD.advance(step, temps, power_w + more_w)
    return temps[0]


def at(course: Trajectory, power_w: float, time_s: float) -> float:
    return between(course.walk(power_w, reach(time_s)), time_s)


@pytest.mark.parametrize("leakage", [None, LEAKAGE])
@pytest.mark.parametrize("time_s", [1.0, 5.0, 10.0, 30.0, 60.0, 300.0])
def test_few_steps_come_near_to_many(time_s: float, leakage: Leakage | None) -> None:
    course = Trajectory(BOARD, COLD, 0.3, leakage and leakage.power_w)
    assert at(course, 8.0, time_s) == pytest.approx(finely(8.0, time_s, leakage), abs=0.5)


def test_it_starts_at_the_present_and_ends_in_the_steady_state() -> None:
    temps = Trajectory(BOARD, COLD, 0.3).walk(8.0, ALL)
    assert temps[0] == COLD[0]
    assert temps[-1] == pytest.approx(steady(BOARD, 8.0, 0.3)[0], abs=0.01)
    assert TIMES_S[-1] >= HOUR_S


@given(st.floats(0.0, 100.0), st.floats(0.0, 20.0), st.booleans())
def test_more_power_is_never_cooler(power_w: float, more_w: float, leaks: bool) -> None:
    course = Trajectory(BOARD, COLD, 0.3, LEAKAGE.power_w if leaks else None)
    calm, busy = (course.walk(watts, ALL) for watts in (power_w, power_w + more_w))
    assert all(b >= c for b, c in zip(busy, calm, strict=True))


def test_leakage_adds_heat_to_what_warms_and_takes_it_from_what_cools() -> None:
    bare, leaking = Trajectory(BOARD, COLD, 0.3), Trajectory(BOARD, COLD, 0.3, LEAKAGE.power_w)
    assert at(leaking, 8.0, 60.0) > at(bare, 8.0, 60.0)
    hot = (80.0, 70.0)
    bare, leaking = Trajectory(BOARD, hot, 0.3), Trajectory(BOARD, hot, 0.3, LEAKAGE.power_w)
    assert at(leaking, 3.0, 60.0) < at(bare, 3.0, 60.0)


def test_a_chip_that_runs_away_gets_hot_but_not_beyond_numbers() -> None:
    temps = Trajectory(BOARD, (90.0, 80.0), 0.0, Leakage(1.5, 12.0).power_w).walk(20.0, ALL)
    assert temps[-1] > 300.0
    assert all(map(math.isfinite, temps))
    assert all(b >= a for a, b in pairwise(temps[3:]))


def test_a_walk_is_the_beginning_of_a_longer_one() -> None:
    long = Trajectory(BOARD, COLD, 0.3).walk(8.0, ALL)
    course = Trajectory(BOARD, COLD, 0.3)
    for count in (5, 1, 12, ALL):
        assert course.walk(8.0, count) == long[:count]


@given(st.floats(0.0, 2.0 * HOUR_S))
def test_a_walk_reaches_as_far_as_it_has_to(time_s: float) -> None:
    count = reach(time_s)
    assert TIMES_S[count - 1] >= min(time_s, TIMES_S[-1])
    assert count == 1 or TIMES_S[count - 2] < time_s
    assert between(TIMES_S[:count], time_s) == pytest.approx(min(time_s, TIMES_S[-1]))
