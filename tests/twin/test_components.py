"""The board's own control has hysteresis."""

from __future__ import annotations

from edge_rt.twin.components import FanCurve, Throttle

STEPS = (2e9, 1.5e9, 1e9, 0.5e9)


def test_the_throttle_engages_at_the_trip_and_releases_below_the_hysteresis() -> None:
    throttle = Throttle(STEPS, 80.0, None, 5.0)
    throttle.update(0.1, 79.9)
    assert throttle.state == 0
    throttle.update(0.1, 80.0)
    assert (throttle.state, throttle.cap_hz) == (1, 1.5e9)
    for _ in range(5):
        throttle.update(1.0, 75.0)
    assert throttle.state == 1
    throttle.update(1.0, 74.9)
    assert throttle.state == 0


def test_the_throttle_goes_one_step_a_second_and_stops_at_the_lowest() -> None:
    throttle = Throttle(STEPS, 80.0, None, 5.0)
    states = []
    for _ in range(100):
        throttle.update(0.1, 82.0)
        states.append(throttle.state)
    assert states[0] == 1
    assert states[8] == 1
    assert states[-1] == 3


def test_hot_takes_the_lowest_clock_at_once() -> None:
    throttle = Throttle(STEPS, 80.0, 85.0, 5.0)
    throttle.update(0.1, 85.0)
    assert throttle.cap_hz == STEPS[-1]


def test_the_fan_follows_its_points_and_is_slow_to_calm_down() -> None:
    fan = FanCurve(((50.0, 0.3), (60.0, 0.5), (75.0, 1.0)), 5.0)
    seen = []
    for temp_c in (49.9, 50.0, 80.0, 70.1, 69.9, 55.0, 54.9, 45.0, 44.9):
        fan.update(temp_c)
        seen.append(fan.duty)
    assert seen == [0.0, 0.3, 1.0, 1.0, 0.5, 0.5, 0.3, 0.3, 0.0]
    assert FanCurve((), 5.0).duty == 0.0
