"""Progress rises, and is nearly whole when nearly all is done."""

from __future__ import annotations

from edge_rt.energy.calibration.timing import ProgressEstimate
from edge_rt.testing.board import FakeClock


def test_it_goes_by_the_steps_and_by_what_is_left_of_one() -> None:
    clock = FakeClock()
    course = ProgressEstimate(clock, [10.0, 30.0])
    assert course.at("coming", 5.0).done == 0.0
    course.begin()
    clock.now += 3.0  # faster than expected
    assert course.at("a", 3.0).done == 0.125
    course.begin()
    progress = course.at("b", 30.0)
    assert (progress.done, progress.doing) == (0.25, "b")
    clock.now += 29.0
    assert course.at("b", 1.0).done == 0.975
    assert course.elapsed_s == 32.0


def test_it_never_falls_nor_comes_to_an_end_by_itself() -> None:
    clock = FakeClock()
    course = ProgressEstimate(clock, [20.0])
    course.begin()
    clock.now += 10.0
    assert course.at("x", 10.0).done == 0.5
    assert course.at("x", 1000.0).done == 0.5
    assert course.at("x", 0.0).done == 0.99
