"""Progress rises, and is nearly whole when nearly all is done."""

from __future__ import annotations

from edge_rt.energy.calibration.timing import ProgressEstimate
from edge_rt.testing.board import FakeClock


def test_it_goes_by_the_clock_and_by_what_is_left() -> None:
    clock = FakeClock()
    course = ProgressEstimate(clock, {"a": 10.0, "b": 30.0})
    assert course.expected_s == 40.0
    course.begun("a")
    assert course.at("a", 10.0).done == 0.0
    clock.now += 10.0
    course.begun("b")
    progress = course.at("b", 30.0)
    assert (progress.done, progress.doing) == (0.25, "b")
    clock.now += 29.0
    assert course.at("b", 1.0).done == 0.975


def test_it_never_falls_nor_comes_to_an_end_by_itself() -> None:
    clock = FakeClock()
    course = ProgressEstimate(clock, {})
    clock.now += 10.0
    assert course.at("x", 10.0).done == 0.5
    assert course.at("x", 1000.0).done == 0.5
    assert course.at("x", 0.0).done == 0.99


def test_what_turns_out_shorter_is_no_longer_set_aside() -> None:
    clock = FakeClock()
    course = ProgressEstimate(clock, {"a": 10.0, "b": 100.0})
    course.begun("a")
    clock.now += 10.0
    course.expect("a", 50.0)  # it has begun
    course.expect("b", 10.0)
    assert course.at("b").done == 0.5


def test_a_fixed_time_is_what_counts() -> None:
    clock = FakeClock()
    course = ProgressEstimate(clock, {"a": 1000.0}, total_s=50.0)
    assert course.expected_s == 50.0
    clock.now += 10.0
    assert course.at("a", 500.0).done == 0.2
