"""Watts by setting and phase, learnt from readings that are coarse and late."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_rt.governor.policy.setting import BoardLoad, EngineSetting
from edge_rt.governor.power.draws import Priors
from edge_rt.governor.power.model import PowerModel

IDLE_W, CORE_W = 2.3, 1.3
GUESS = Priors(3.25, 1.94)  # half as much again as is true
TWO = EngineSetting(2)


def watts(load: BoardLoad) -> float:
    more = 1.0 + 0.3 * load.prompt_share
    return IDLE_W + CORE_W * load.setting.threads * load.setting.cpu**2.0 * load.busy * more


def work(threads: int, busy: float, reading: float = 0.0, cpu: float = 1.0) -> BoardLoad:
    return BoardLoad(EngineSetting(threads, cpu), busy, reading)


def watch(
    model: PowerModel,
    seconds: float,
    at: Callable[[float], BoardLoad],
    late: int = 1,
    noise: float = 0.01,
    more_w: float = 0.0,
) -> None:
    dice, shown = random.Random(0), deque([watts(at(0.0))] * (late + 1), late + 1)
    for number in range(round(seconds * 5)):
        load = at(number / 5)
        shown.append(watts(load) + more_w)
        model.learn(0.2, load, shown[0] * dice.gauss(1.0, noise))


def test_it_begins_with_what_the_profile_says() -> None:
    model = PowerModel(4, GUESS)
    assert model.power_w(EngineSetting(4), 1.0) == pytest.approx(3.25 + 4 * 1.94)
    assert model.utilisation(
        EngineSetting(4), model.power_w(EngineSetting(4), 0.3)
    ) == pytest.approx(0.3)
    assert model.deviation_w(EngineSetting(4), 1.0) > 1.0


def test_calibration_tells_what_prompts_draw() -> None:
    model = PowerModel(4, Priors(3.0, prompts=1.5))
    assert model.draw_w(EngineSetting(4), 1.0) == pytest.approx(
        1.5 * model.draw_w(EngineSetting(4))
    )


@pytest.mark.parametrize("late", [0, 1, 3])
def test_it_is_right_where_the_engine_works(late: int) -> None:
    model = PowerModel(4, GUESS)
    watch(model, 20.0, lambda _: work(3, 0.6), late)
    assert model.power_w(EngineSetting(3), 0.6) == pytest.approx(watts(work(3, 0.6)), rel=0.02)
    assert model.deviation_w(EngineSetting(3), 0.6) < 0.2


def told(model: PowerModel, seconds: float, load: BoardLoad, more_w: float = 0.0) -> list[float]:
    """The steps of other programs that the model told."""
    found: list[float] = []
    for _ in range(round(seconds * 5)):
        watch(model, 0.2, lambda _: load, late=0, more_w=more_w)
        found += [model.step_w] if model.step_w else []
    return found


def test_a_wrong_prior_is_no_step_of_another_program() -> None:
    model = PowerModel(4, Priors(0.5 * IDLE_W))
    assert told(model, 20.0, work(4, 0.0)) == []


def test_a_step_of_another_program_is_told() -> None:
    model = PowerModel(4, GUESS)
    assert max(told(model, 20.0, work(4, 0.6)), default=0.0) < 0.1
    assert told(model, 4.0, work(4, 0.6), more_w=1.0)[-1] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("intensity", [0.8, 1.0])
def test_threads_that_wait_within_passes_hide_no_step(intensity: float) -> None:
    model = PowerModel(4, GUESS)
    prompts = BoardLoad(EngineSetting(4), intensity, 1.0, coarse=1.0, intensity=intensity)
    watch(model, 20.0, lambda _: prompts)
    before_w = model.idle_w
    watch(model, 1.0, lambda _: prompts, more_w=0.6)
    assert model.idle_w - before_w == pytest.approx(0.6, abs=0.1)


def test_rest_and_work_teach_what_the_other_settings_draw() -> None:
    model = PowerModel(4, GUESS)
    watch(model, 60.0, lambda now_s: work(2, 0.0 if now_s % 20 < 5 else 0.8))
    assert model.idle_w == pytest.approx(IDLE_W, rel=0.05)
    for threads in (1, 2, 4):
        assert model.power_w(EngineSetting(threads), 1.0) == pytest.approx(
            watts(work(threads, 1.0)), rel=0.08
        )


def test_phases_and_clocks_are_told_apart() -> None:
    clocks = (1.0, 0.6, 0.8)

    def at(now_s: float) -> BoardLoad:
        cpu = clocks[int(now_s / 15.0) % 3]
        return work(3, 0.0 if now_s % 15 < 3 else 0.9, float(now_s % 6 < 3), cpu)

    model = PowerModel(4, GUESS)
    watch(model, 240.0, at)
    for cpu in clocks:
        for reading in (0.0, 1.0):
            expected = watts(work(3, 0.9, reading, cpu))
            known = model.power_w(EngineSetting(3, cpu), 0.9, reading)
            assert known == pytest.approx(expected, rel=0.06)


def test_sustained_work_of_two_phases_does_not_lead_it_astray() -> None:
    """At almost one utilisation nothing tells a board's rest from what its work draws."""
    dice = random.Random(5)

    def at(now_s: float) -> BoardLoad:
        return work(4, 0.985 + 0.01 * dice.random(), float(now_s % 8 < 2))

    model = PowerModel(4, GUESS)
    watch(model, 1200.0, at)
    assert 0.5 * IDLE_W < model.idle_w < 1.8 * IDLE_W
    assert model.power_w(EngineSetting(4), 0.99) == pytest.approx(watts(work(4, 0.99)), rel=0.03)


def test_something_else_that_begins_to_draw_is_noticed_within_a_second() -> None:
    model = PowerModel(4, GUESS)
    watch(model, 30.0, lambda now_s: work(2, float(now_s > 10.0)))
    draw_w = model.draw_w(TWO)
    for _ in range(4):
        model.learn(0.2, work(2, 1.0), watts(work(2, 1.0)) + 3.0)
    expected = watts(work(2, 1.0)) + 3.0
    assert model.power_w(TWO, 1.0) == pytest.approx(expected, rel=0.03)
    watch(model, 45.0, lambda _: work(2, 1.0), more_w=3.0)
    assert model.power_w(TWO, 1.0) == pytest.approx(expected, rel=0.01)
    assert model.draw_w(TWO) < draw_w + 0.5 * 3.0  # most of it is not the engine's


def test_one_wild_reading_is_a_glitch_and_two_are_believed() -> None:
    model = PowerModel(4, GUESS)
    load = work(4, 0.6)
    watch(model, 20.0, lambda _: load)
    before_w, delay_s = model.idle_w, model.delay_s
    for wild in (3.0, 0.0, 2.5):
        model.learn(0.2, load, wild * watts(load))
        assert model.idle_w == pytest.approx(before_w, rel=0.05)
        assert model.recent()[-1] == pytest.approx(watts(load), rel=0.03)
        watch(model, 5.0, lambda _: load)
    assert model.idle_w == pytest.approx(before_w, rel=0.05)
    assert model.delay_s == delay_s
    for _ in range(3):
        model.learn(0.2, load, 2.5 * watts(load))
    assert model.idle_w > before_w + 0.7 * watts(load)


def busy_board(load: BoardLoad) -> float:
    """Watts while other programs keep cores busy, which follow the clock as ours do."""
    return watts(load) + CORE_W * load.setting.cpu**2.0 * load.cores


def test_other_programs_draw_less_at_a_lower_clock() -> None:
    model, slow = PowerModel(4, GUESS), EngineSetting(2, 0.6)
    for number in range(300):
        load = replace(work(2, 0.5), cores=2.0 * (number % 100 > 50))
        model.learn(0.2, load, busy_board(load))
    assert model.rest_w(TWO) == pytest.approx(model.idle_w, abs=0.1)
    busy = replace(work(2, 0.5, cpu=0.6), cores=2.0)
    assert model.power_w(slow, 0.5) == pytest.approx(busy_board(busy), rel=0.12)
    watch(model, 10.0, lambda _: work(2, 0.5))
    assert model.rest_w(slow) == pytest.approx(model.rest_w(TWO))  # nobody else is there


def test_a_rest_beside_other_programs_is_not_the_power_at_rest() -> None:
    model = PowerModel(4, Priors(IDLE_W, CORE_W))
    for number in range(100):  # the engine has not begun, and something else is at work
        load = replace(work(4, 0.8 * (number > 50)), cores=3.0)
        model.learn(0.2, load, busy_board(load))
    watch(model, 60.0, lambda _: work(4, 0.8))
    assert model.idle_w == pytest.approx(IDLE_W, rel=0.15)
    assert model.power_w(EngineSetting(4), 0.8) == pytest.approx(watts(work(4, 0.8)), rel=0.02)


def test_readings_below_the_model_do_not_lower_the_power_at_rest() -> None:
    model = PowerModel(4, GUESS)
    watch(model, 30.0, lambda now_s: work(2, float(now_s > 10.0)))
    watch(model, 2.0, lambda _: work(2, 1.0), more_w=-1.5)
    assert model.idle_w >= 0.9 * IDLE_W


def test_what_was_drawn_is_what_was_read_where_it_is_known() -> None:
    model = PowerModel(4, Priors(IDLE_W, CORE_W))
    watch(model, 30.0, lambda _: work(2, 1.0), noise=0.001)
    watch(model, 1.0, lambda _: work(2, 1.0), noise=0.001, more_w=2.0)
    assert model.recent()[-2:] == pytest.approx([watts(work(2, 1.0)) + 2.0] * 2, rel=0.03)


def test_nothing_is_learnt_from_what_cannot_be_read() -> None:
    model = PowerModel(4, GUESS)
    for _ in range(100):
        model.learn(0.2, work(2, 0.5), None)
    assert model.power_w(TWO, 0.5) == PowerModel(4, GUESS).power_w(TWO, 0.5)


def test_what_was_learnt_stays_when_nothing_can_be_read_any_more() -> None:
    model = PowerModel(4, GUESS)
    watch(model, 30.0, lambda _: work(2, 0.8), more_w=1.0)
    before_w = model.power_w(TWO, 0.8)
    for _ in range(100):
        model.learn(0.2, work(2, 0.8), None)
    assert model.power_w(TWO, 0.8) == pytest.approx(before_w, rel=0.01)


def test_bursts_do_not_confuse_it() -> None:
    dice = random.Random(1)
    plan = [0.0] * 5 + [1.0] * 5 + [dice.random() for _ in range(400)]  # a rest, and a first pass
    model = PowerModel(4, GUESS)
    watch(model, 120.0, lambda now_s: work(4, plan[int(now_s / 0.4)]), late=2)
    assert model.delay_s == pytest.approx(0.4, abs=0.11)
    assert model.power_w(EngineSetting(4), 0.5) == pytest.approx(watts(work(4, 0.5)), rel=0.05)


def test_an_error_that_lasts_is_learnt_and_not_taken_for_noise() -> None:
    def draws(threads: int, share: float) -> float:
        return 4.6 + 4.8 * threads * share

    dice, model = random.Random(3), PowerModel(2, Priors(4.5, 2.1))
    for _ in range(40):
        model.learn(0.2, work(2, 0.0), draws(2, 0.0))
    for _ in range(20):  # as the first passes of a model look: nothing fits
        model.learn(0.2, work(2, dice.choice((0.3, 1.0))), draws(2, dice.choice((0.3, 1.0))))
    for _ in range(13):
        model.learn(0.2, work(1, 0.78), draws(1, 0.78) * dice.gauss(1.0, 0.015))
    assert model.power_w(EngineSetting(1), 0.78) == pytest.approx(draws(1, 0.78), rel=0.03)


def test_a_pass_that_has_ended_gets_its_place_in_the_looks_before() -> None:
    on, model = EngineSetting(1, 1.0, 1.0), PowerModel(4, Priors(3.0, gpu_w=6.0))
    for _ in range(60):
        for _ in range(3):  # of a pass of 0.8 s only its end is told
            model.learn(0.2, BoardLoad(on, 0.0), 9.0)
        model.learn(0.2, BoardLoad(on, 1.0), 9.0, behind_s=0.6)
    assert model.power_w(on, 1.0) == pytest.approx(9.0, rel=0.03)
    assert model.draw_w(on) == pytest.approx(6.0, rel=0.2)
