"""Idle power is pooled by stretches and half degrees, and never grows without bound."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_rt.thermal.idle import LONGEST_S, SPAN_C, IdleLog, Stretch
from edge_rt.thermal.leakage import Leakage

WEEK_S = 7 * 86_400.0


def swing(
    idle: IdleLog, begin_s: float, low_c: float = 40.0, span_c: float = 10.0, extra_w: float = 0.0
) -> None:
    """Half an hour down and up again."""
    for second in range(1800):
        temp_c = low_c + 0.5 * span_c * (1.0 + math.cos(2.0 * math.pi * second / 900.0))
        power_w = 3.0 + extra_w + Leakage(0.3).power_w(temp_c)
        idle.feed(begin_s + second, begin_s + second, temp_c, power_w)


def test_an_hour_tells_the_curve_of_power_over_temperature() -> None:
    idle = IdleLog()
    swing(idle, 0.0)
    (stretch,) = idle.stretches()
    assert stretch.span_c == pytest.approx(10.0, abs=0.5)
    for cell in stretch.cells:
        assert cell.power_w == pytest.approx(3.0 + Leakage(0.3).power_w(cell.temp_c), abs=2e-3)


def test_an_hour_at_one_temperature_tells_nothing_and_is_not_kept() -> None:
    idle = IdleLog()
    swing(idle, 0.0, span_c=SPAN_C - 1.0)
    swing(idle, LONGEST_S, span_c=SPAN_C + 1.0)
    assert len(idle.stretches()) == 1


def test_what_another_program_adds_slowly_hardly_bends_the_curve() -> None:
    idle = IdleLog()
    for second in range(3000):
        temp_c = 40.0 + 15.0 * (1.0 + math.cos(second / 150.0))
        power_w = 3.0 + 0.2 * second / LONGEST_S + Leakage(0.5).power_w(temp_c)
        idle.feed(float(second), 0.0, temp_c, power_w)
    (stretch,) = idle.stretches()
    floors = [cell.power_w - Leakage(0.5).power_w(cell.temp_c) for cell in stretch.cells]
    half = len(floors) // 2
    assert fmean(floors[:half]) == pytest.approx(fmean(floors[half:]), abs=0.02)


def noisy_w(dice: random.Random, temp_c: float) -> float:
    return 3.0 + Leakage(0.3).power_w(temp_c) + dice.gauss(0.0, 0.01)


def test_a_program_that_begins_or_ends_parts_a_stretch() -> None:
    idle, dice = IdleLog(), random.Random(3)
    for second in range(600):
        temp_c = 60.0 - 0.03 * second
        extra_w = 0.08 if 200 <= second < 400 else 0.0
        idle.feed(float(second), 0.0, temp_c, noisy_w(dice, temp_c) + extra_w)
    floors = [
        [cell.power_w - Leakage(0.3).power_w(cell.temp_c) for cell in stretch.cells]
        for stretch in idle.stretches()
    ]
    assert [round(fmean(each), 2) for each in floors] == [3.0, 3.08, 3.0]


def test_the_steps_of_a_coarse_sensor_do_not() -> None:
    idle, dice = IdleLog(), random.Random(3)
    for second in range(600):
        temp_c = 60.0 - 0.03 * second
        idle.feed(float(second), 0.0, temp_c, round(noisy_w(dice, temp_c) / 0.2) * 0.2)
    assert len(idle.stretches()) == 1


def test_work_parts_stretches() -> None:
    idle = IdleLog()
    for begin_s in (0, 300):
        for second in range(200):
            idle.feed(begin_s + second, 0.0, 60.0 - 0.05 * second, 3.0)
    assert len(idle.stretches()) == 2


def test_a_burst_of_another_program_does_not_move_what_was_visited_often() -> None:
    idle, dice = IdleLog(), random.Random(4)
    for second in range(3500):
        burst_w = 2.0 if dice.random() < 0.002 or second % 600 < 30 else 0.0
        temp_c = 45.0 + 5.0 * math.sin(second / 70.0)
        idle.feed(float(second), 0.0, temp_c, 3.0 + burst_w)
    (stretch,) = idle.stretches()
    assert sorted(cell.power_w for cell in stretch.cells)[len(stretch.cells) // 2] < 3.05


def test_hours_are_kept_for_weeks_and_count_for_less_and_less() -> None:
    stretch = Stretch(0.0, ())
    assert stretch.count(-5.0) == stretch.count(0.0) == 1.0  # a clock that was set back
    assert stretch.count(2 * WEEK_S) == pytest.approx(0.5)
    idle = IdleLog()
    swing(idle, 0.0)
    swing(idle, LONGEST_S + 4 * WEEK_S)
    assert len(idle.stretches()) == 2
    swing(idle, 2 * LONGEST_S + 12 * WEEK_S)
    assert len(idle.stretches()) == 2


def test_those_that_say_least_are_forgotten_first() -> None:
    idle = IdleLog()
    swing(idle, 0.0, span_c=25.0)
    for number in range(1, 80):
        swing(idle, number * LONGEST_S, span_c=5.0)
    assert len(idle.stretches()) <= 65
    assert max(stretch.span_c for stretch in idle.stretches()) > 24.0


def test_hours_of_an_earlier_start_go_on() -> None:
    before, after = IdleLog(), IdleLog()
    swing(before, 0.0)
    after = IdleLog(before.stretches())
    swing(after, 10.0)
    assert len(after.stretches()) == 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 1e9), st.floats(), st.floats()), max_size=60))
def test_nothing_that_is_fed_raises(readings: list[tuple[float, float, float]]) -> None:
    idle = IdleLog()
    for time_s, temp_c, power_w in readings:
        idle.feed(time_s, time_s, temp_c, power_w)
    assert all(
        math.isfinite(x) for stretch in idle.stretches() for cell in stretch.cells for x in cell
    )
