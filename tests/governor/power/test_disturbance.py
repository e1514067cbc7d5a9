"""What is drawn beyond the model: averaged while nothing changes, at once when it does."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.governor.power.disturbance import DelayMeter, Disturbance, News

POWER_W = 6.0


def watch(
    known: Disturbance, errors: list[float], new: list[float], doubt: float = 0.0
) -> list[float]:
    """The steps that it found; `errors` are those so far, and grow by the `new` ones."""
    found: list[float] = []
    for error in new:
        errors.append(error)
        part = errors[-13:]
        found.append(known.look(0.2, POWER_W + error, part, [doubt] * len(part), False))
    return found


def noise(count: int, spread: float = 0.05) -> list[float]:
    dice = random.Random(2)
    return [dice.gauss(0.0, spread) for _ in range(count)]


def test_noise_is_averaged() -> None:
    known = Disturbance()
    assert not any(watch(known, [], noise(100)))
    assert abs(known.value_w) < 0.04
    assert known.deviation_w == pytest.approx(0.05 / 12**0.5, rel=0.5)


def test_a_step_is_taken_up_within_two_looks() -> None:
    known, errors = Disturbance(), list[float]()
    watch(known, errors, noise(60))
    steps = watch(known, errors, [0.5, 1.0])  # it came within a look
    assert all(steps)
    assert known.value_w == pytest.approx(1.0, abs=0.05)
    watch(known, errors, [1.0 + e for e in noise(20)])
    assert known.value_w == pytest.approx(1.0, abs=0.05)


def test_a_step_is_what_the_second_reading_shows() -> None:
    known, errors = Disturbance(), list[float]()
    watch(known, errors, noise(60))
    steps = watch(known, errors, [0.8, 1.0], doubt=0.02)  # the first one shows it in part
    assert steps == [pytest.approx(0.8, abs=0.05), pytest.approx(1.0, abs=0.05)]
    assert known.value_w == pytest.approx(1.0, abs=0.01)


def test_a_small_step_takes_a_few_looks() -> None:
    known, errors = Disturbance(), list[float]()
    watch(known, errors, noise(60))
    watch(known, errors, [0.2 + e for e in noise(6)])
    assert known.value_w == pytest.approx(0.2, abs=0.07)


def test_errors_that_a_lag_explains_are_no_step() -> None:
    known, errors = Disturbance(), list[float]()
    watch(known, errors, noise(60))
    assert not any(watch(known, errors, [1.0, -1.0, 1.0, -1.0], doubt=1.0))
    assert abs(known.value_w) < 0.5


def test_doubted_errors_that_last_and_agree_are_a_step() -> None:
    known, errors = Disturbance(), list[float]()
    watch(known, errors, noise(60))
    steps = watch(known, errors, [1.0 + e for e in noise(3)], doubt=1.0)
    assert [step > 0.0 for step in steps] == [False, False, True]
    assert known.value_w == pytest.approx(1.0, abs=0.1)


def test_equal_readings_are_one() -> None:
    known, errors = Disturbance(), list[float]()
    watch(known, errors, noise(30))
    before = known.deviation_w
    for _ in range(10):
        errors.append(errors[-1])
        known.look(0.2, POWER_W, errors[-13:], [0.0] * 13, same=True)
    assert before is not None
    assert (known.deviation_w or 0.0) > 1.2 * before


@given(st.lists(st.floats(-5.0, 5.0), min_size=1, max_size=60))
def test_it_never_goes_beyond_what_was_seen(errors: list[float]) -> None:
    known, seen = Disturbance(), list[float]()
    for error in errors:
        watch(known, seen, [error])
        assert min(seen) - 1e-9 <= known.value_w <= max(seen) + 1e-9


def begin(meter: DelayMeter, late_s: float, busy: float = 1.0, draw: float = 1.0) -> list[bool]:
    """Let an engine that draws 5 W begin after two seconds of rest at 3 W; it is taken for `draw`
    times as much."""
    waits: list[bool] = []
    for look in range(-10, 30):
        on = busy if look >= 0 else 0.0
        power_w = 3.0 + 5.0 * busy * (0.2 * look >= late_s - 1e-9)
        waits.append(meter.look(0.2, on, draw * 5.0, power_w, 0.2))
    return waits


@pytest.mark.parametrize("draw", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("late_s", [0.2, 0.4, 1.2, 2.0])
def test_a_delay_is_measured_when_work_begins_after_a_rest(late_s: float, draw: float) -> None:
    meter = DelayMeter()
    waits = begin(meter, late_s, draw=draw)
    assert meter.seconds == pytest.approx(late_s)
    assert sum(waits) == round(late_s / 0.2)  # readings that show the rest before


def test_the_middle_of_the_last_delays_counts() -> None:
    meter = DelayMeter()
    for late_s in (0.4, 0.4, 1.8):
        begin(meter, late_s)
    assert meter.seconds == pytest.approx(0.4)


@pytest.mark.parametrize("busy", [0.1, 0.4])
def test_a_start_with_pauses_tells_no_delay(busy: float) -> None:
    meter = DelayMeter()
    assert not any(begin(meter, 1.0, busy))
    assert meter.seconds == DelayMeter().seconds


def test_readings_that_never_show_the_work_are_not_waited_for() -> None:
    meter = DelayMeter()
    waits = begin(meter, math.inf)
    assert 15 <= sum(waits) <= 25
    assert meter.seconds == DelayMeter().seconds


def test_a_sensor_that_is_read_once_a_second_tells_news_once_a_second() -> None:
    news, dice = News(), random.Random(4)
    spans: list[float] = []
    for second in range(12):
        power_w = 5.0 + dice.random()
        spans = [news.span_s(0.2, power_w, 5.0 + (5 * second + k) % 3) for k in range(5)]
    assert spans == pytest.approx([1.0, 0.0, 0.0, 0.0, 0.0])
    assert news.slow


def test_a_sensor_with_coarse_steps_is_none_that_is_read_seldom() -> None:
    news = News()
    for look in range(300):  # nothing moves, and a reading changes now and then
        assert news.span_s(0.2, 5.0 + 0.4 * (look % 37 == 0), 5.1) == 0.2
    assert not news.slow
