"""Watts by threads and utilisation, learnt from readings that are coarse and late."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

import pytest

from edge_rt.governor.power import PowerModel
from edge_rt.governor.priors import Priors

IDLE_W, CORE_W = 2.3, 1.3
GUESS = Priors(3.25, 1.94)  # half as much again as is true


def watts(threads: int, share: float) -> float:
    return IDLE_W + CORE_W * threads * share


def watch(
    model: PowerModel,
    seconds: float,
    setting: Callable[[float], tuple[int, float]],
    late: int = 1,
    noise: float = 0.01,
) -> None:
    dice, shown = random.Random(0), deque([watts(*setting(0.0))] * (late + 1), late + 1)
    for number in range(round(seconds * 5)):
        threads, share = setting(number / 5)
        shown.append(watts(threads, share))
        model.learn(0.2, threads, 0.2 * share, shown[0] * dice.gauss(1.0, noise))


def test_it_begins_with_what_the_profile_says() -> None:
    model = PowerModel(4, GUESS)
    assert model.power_w(4, 1.0) == pytest.approx(3.25 + 4 * 1.94)
    assert model.utilisation(4, model.power_w(4, 0.3)) == pytest.approx(0.3)
    assert model.unsure_w(4, 1.0) > 1.0


@pytest.mark.parametrize("late", [0, 1, 3])
def test_it_is_right_where_the_engine_works(late: int) -> None:
    model = PowerModel(4, GUESS)
    watch(model, 20.0, lambda _: (3, 0.6), late)
    assert model.power_w(3, 0.6) == pytest.approx(watts(3, 0.6), rel=0.02)
    assert model.unsure_w(3, 0.6) < 0.2


def test_rest_and_work_teach_what_the_other_settings_draw() -> None:
    model = PowerModel(4, GUESS)
    watch(model, 60.0, lambda now_s: (2, 0.0 if now_s % 20 < 5 else 0.8))
    assert model.idle_w == pytest.approx(IDLE_W, rel=0.05)
    for threads in (1, 2, 4):
        assert model.power_w(threads, 1.0) == pytest.approx(watts(threads, 1.0), rel=0.06)


def test_something_else_that_begins_to_draw_is_noticed_within_seconds() -> None:
    model = PowerModel(4, GUESS)
    watch(model, 30.0, lambda _: (2, 0.5))
    for _ in range(25):
        model.learn(0.2, 2, 0.1, watts(2, 0.5) + 3.0)
    assert model.power_w(2, 0.5) == pytest.approx(watts(2, 0.5) + 3.0, rel=0.03)


def test_nothing_is_learnt_from_what_cannot_be_read() -> None:
    model = PowerModel(4, GUESS)
    for _ in range(100):
        model.learn(0.2, 2, 0.1, None)
    assert model.power_w(2, 0.5) == PowerModel(4, GUESS).power_w(2, 0.5)


def test_bursts_do_not_confuse_it() -> None:
    dice = random.Random(1)
    plan = [dice.random() for _ in range(400)]
    model = PowerModel(4, GUESS)
    watch(model, 120.0, lambda now_s: (4, plan[int(now_s / 0.4)]), late=2)
    assert model.power_w(4, 0.5) == pytest.approx(watts(4, 0.5), rel=0.05)


def test_an_error_that_lasts_is_learnt_and_not_taken_for_noise() -> None:
    def draws(threads: int, share: float) -> float:
        return 4.6 + 4.8 * threads * share

    dice, model = random.Random(3), PowerModel(2, Priors(4.5, 2.1))
    for _ in range(40):
        model.learn(0.2, 2, 0.0, draws(2, 0.0))
    for _ in range(20):  # as the first passes of a model look: nothing fits
        model.learn(0.2, 2, 0.2 * dice.choice((0.3, 1.0)), draws(2, dice.choice((0.3, 1.0))))
    for _ in range(13):
        model.learn(0.2, 1, 0.156, draws(1, 0.78) * dice.gauss(1.0, 0.015))
    assert model.power_w(1, 0.78) == pytest.approx(draws(1, 0.78), rel=0.03)
