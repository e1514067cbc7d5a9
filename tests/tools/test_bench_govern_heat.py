"""The course of heat: when it ends, what it tells, and the best setting that does not throttle."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from benchlib.govern import Setup
from benchlib.govern_heat import (
    AFTER_S,
    BOARD,
    END_S,
    FAN_S,
    LIMIT_S,
    Bench,
    Course,
    gathered,
    over,
    settings,
)
from benchlib.govern_scan import FULL, Constant, best
from benchlib.looks import Look, throttles
from benchlib.prompts import Prompts
from benchlib.server import Settings
from benchlib.sim_board import replay

SETUP = Setup(
    Path("python"),
    Path("store"),
    Path("directory"),
    Settings(Path("m.gguf"), "m", 1024, 1, threads=None),
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
        for threads, duty in settings()
    ]
    made.again = [Constant(1, 1.0, 40.0, [1.0]), Constant(1, 1.0, 44.0, [1.0])]
    return made


def test_at_full_speed_the_board_throttles_after_its_fan_has_stopped_and_before_the_end() -> None:
    course = replay(bench().board, [2.0], END_S)
    first_s = next(k.time_s for k in course if k.throttle_state)
    assert FAN_S < first_s < END_S - AFTER_S
    assert max(k.chip_c for k in course[: FAN_S * 10]) < 70.0
    assert BOARD.ambient_c == 35.0


def test_at_half_speed_it_does_not() -> None:
    assert throttles(replay(bench().board, [1.0], END_S)) == 0


def test_the_best_setting_is_the_fastest_that_does_not_throttle() -> None:
    made = bench()
    chosen = best(made.constants, made.holds)
    assert chosen is not None
    assert 1.2 <= chosen.mean_cores < 2.0
    assert throttles(replay(made.board, [chosen.mean_cores + 0.4], END_S)) > 0


@pytest.mark.parametrize(
    ("seen", "governed", "ended"),
    [
        (looks(END_S - 1), True, False),
        (looks(END_S), True, True),
        (looks(END_S), False, False),
        (looks(LIMIT_S), False, True),
        (looks(150, throttled_at_s=100), True, False),
        (looks(100 + AFTER_S - 1, throttled_at_s=100), False, False),
        (looks(100 + AFTER_S, throttled_at_s=100), False, True),
    ],
)
def test_a_course_ends_when_it_has_shown_what_it_can(
    seen: list[Look], governed: bool, ended: bool
) -> None:
    assert over(seen, governed) is ended


def test_the_report_tells_throttles_of_both_and_the_ratio_to_the_best_setting() -> None:
    governed, full = Course(39.9, looks(END_S)), Course(80.0, looks(110, throttled_at_s=100))
    found = gathered(bench(), governed, full)
    assert found.values == {
        "throttles": 0,
        "throttles_without": 1,
        "heat_vs_best": pytest.approx(0.95),
    }
    assert full.plain()["first_throttle_s"] == 100.0
    assert governed.plain()["first_throttle_s"] is None
    assert governed.plain()["hottest_c"] == pytest.approx(70.0 + END_S / 10)
    assert found.notes


def test_full_speed_is_among_the_settings() -> None:
    assert FULL in settings()
    assert len(settings()) == len(set(settings()))
