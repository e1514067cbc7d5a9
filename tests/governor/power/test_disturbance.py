"""What is drawn beyond the model: averaged while nothing changes, at once when it does."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.governor.power.disturbance import Disturbance, Lag, News

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


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("seconds", [0.0, 0.3, 0.5])
def test_a_lag_is_found_by_how_readings_move(seconds: float, scale: float) -> None:
    """It is found, too, while the model's draws are `scale` times the true ones.

    At first the load is a start-up's: the model sees great moves that no reading shows.
    """
    dice, lag = random.Random(0), Lag()
    powers = [6.0 * (k % 2) for k in range(12)] + [3.0 + 3.0 * dice.random() for _ in range(80)]

    def shown(k: int, seconds: float) -> float:
        back, part = divmod(seconds / 0.2, 1.0)
        return (1.0 - part) * powers[k - int(back)] + part * powers[k - int(back) - 1]

    for k in range(8, 92):
        now, before = ([scale * shown(i, s) for s in Lag.TRIED_S] for i in (k, k - 1))
        moved_w = 0.0 if k < 14 else shown(k, seconds) - shown(k - 1, seconds)
        lag.look(moved_w, now, before)
    assert lag.seconds == pytest.approx(seconds, abs=0.1 if scale > 1.0 else 1e-9)


@pytest.mark.parametrize("shown", [0.0, -1.5])
def test_a_model_that_shows_no_change_says_nothing_of_the_lag(shown: float) -> None:
    lag = Lag()
    now = [shown] * len(lag.TRIED_S)
    for _ in range(20):
        lag.look(0.0, now, now)
    assert lag.seconds == Lag().seconds


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
