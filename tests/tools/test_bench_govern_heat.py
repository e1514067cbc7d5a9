"""The course of heat: when it ends, what it tells, and the best setting that does not throttle."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from benchlib.govern import Setup
from benchlib.govern_heat import (
    BOARD,
    END_S,
    FAN_S,
    Bench,
    Course,
    gathered,
    over,
)
from benchlib.govern_scan import Constant, best, grid
from benchlib.looks import Look, throttles
from benchlib.prompts import Prompts
from benchlib.sim_board import replay

SETUP = Setup(
    Path("python"),
    Path("store"),
    Path("directory"),
    Prompts((), (), "none"),
    0.0,
    quick=False,
    say=lambda _: None,
)


def looks(end_s: float, throttled_at_s: float = math.inf) -> list[Look]:
    return [
        Look(100.0 + n, 1.0, 1.0, 4.0, 70.0 + n / 10, int(n >= throttled_at_s))
        for n in range(int(end_s) + 1)
    ]


def bench() -> Bench:
    made = Bench(SETUP)
    made.constants = [
        Constant(threads, duty, 40.0 * threads * duty, [threads * duty])
        for threads, duty in grid(2, 0.2)
    ]
    made.again = [Constant(1, 1.0, 40.0, [1.0]), Constant(1, 1.0, 44.0, [1.0])]
    return made


def test_at_full_speed_the_board_throttles_after_its_fan_has_stopped_and_before_the_end() -> None:
    course = replay(bench().board, [2.0], END_S)
    first_s = next(k.time_s for k in course if k.throttle_state)
    assert FAN_S < first_s < 0.75 * END_S
    assert max(k.chip_c for k in course[: FAN_S * 10]) < 75.0
    assert BOARD.ambient_c == 35.0


def test_at_a_quarter_of_it_it_does_not() -> None:
    assert throttles(replay(bench().board, [0.5], END_S)) == 0


def test_the_best_setting_is_the_fastest_that_does_not_throttle() -> None:
    made = bench()
    chosen = best(made.constants, made.holds)
    assert chosen is not None
    assert 0.3 <= chosen.mean_cores < 1.5
    assert throttles(replay(made.board, [chosen.mean_cores + 0.4], END_S)) > 0


def test_a_course_ends_so_long_after_the_boards_start() -> None:
    assert not over(looks(END_S - 1))
    assert over(looks(END_S))


def test_the_report_tells_throttles_of_both_and_the_ratio_to_the_best_setting() -> None:
    made, governed = bench(), Course(39.9, looks(END_S))
    found = gathered(made, governed)
    assert found.values == {
        "throttles": 0,
        "throttles_without": made.ungoverned().throttles,
        "heat_vs_best": pytest.approx(0.95),
    }
    assert made.ungoverned().throttles > 0
    assert governed.plain()["first_throttle_s"] is None
    assert governed.plain()["hottest_c"] == pytest.approx(70.0 + END_S / 10)
    assert found.notes


def test_a_course_tells_when_the_board_throttled_first() -> None:
    assert Course(80.0, looks(110, throttled_at_s=100)).plain()["first_throttle_s"] == 100.0
