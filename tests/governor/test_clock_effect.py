"""A limit of the clock that has no effect is found out by the clock, and not used any more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from look_help import DT_S, QUIET

from edge_rt.config.schema import BudgetConfig, GovernorConfig
from edge_rt.core.limits import ClockSteps, Observation
from edge_rt.governor.clock_effect import ClockEffect
from edge_rt.governor.policy.governor import Governor
from edge_rt.governor.power.draws import Priors

STEPS = ClockSteps(cpu_hz=(1e9, 1.5e9, 2e9), gpu_hz=(3e8, 6e8))


class Stage:
    """The clocks as they are read, look after look."""

    def __init__(self) -> None:
        self.clocks, self.time_s = ClockEffect(), 0.0

    def look(self, seconds: float, steps: ClockSteps = STEPS, **hz: float | None) -> ClockSteps:
        """Return the clocks that are left after the same was seen for some seconds."""
        left = steps
        for _ in range(round(seconds / DT_S)):
            self.time_s += DT_S
            left = self.clocks.left(steps, replace(QUIET, time_s=self.time_s, **hz))
        return left


def test_a_clock_that_stays_above_its_limit_is_left_alone_from_then_on() -> None:
    stage = Stage()
    assert stage.look(1.0, cpu_hz=1e9, real_cpu_hz=2e9) == STEPS  # it may not have come yet
    assert stage.look(1.4, cpu_hz=1e9, real_cpu_hz=2e9) == replace(STEPS, cpu_hz=())
    assert stage.clocks.ineffective == (True, False)
    assert stage.look(60.0, cpu_hz=2e9, real_cpu_hz=2e9) == replace(STEPS, cpu_hz=())


def test_the_clock_of_a_gpu_is_watched_in_the_same_way() -> None:
    stage = Stage()
    assert stage.look(2.4, gpu_hz=3e8, real_gpu_hz=6e8) == replace(STEPS, gpu_hz=())
    assert stage.clocks.ineffective == (False, True)


@pytest.mark.parametrize(
    ("limit_hz", "real_hz"),
    [
        (1e9, 1e9),
        (1e9, 1.05e9),  # read with an error
        (2e9, 3e9),  # the hardware goes above its nominal clock by itself
        (1e9, None),  # nothing works, or nothing is read
        (None, 2e9),
    ],
)
def test_a_clock_that_may_be_right_stays(limit_hz: float | None, real_hz: float | None) -> None:
    stage = Stage()
    assert stage.look(60.0, cpu_hz=limit_hz, real_cpu_hz=real_hz) == STEPS


def test_limits_that_change_often_are_no_reason_for_doubt() -> None:
    """The clock follows half a second late."""
    stage, limits = Stage(), [2e9, 2e9, 2e9]
    for number in range(400):
        limits.append(STEPS.cpu_hz[number // 3 % 3])
        assert stage.look(DT_S, cpu_hz=limits[-1], real_cpu_hz=limits[-3]) == STEPS


def test_looks_that_fall_into_rests_do_not_hide_it() -> None:
    stage = Stage()
    left = [
        stage.look(DT_S, cpu_hz=1e9, real_cpu_hz=real_hz)
        for _ in range(15)
        for real_hz in (2e9, 6e8)
    ]
    assert left[:12] == [STEPS] * 12
    assert left[-1].cpu_hz == ()


def test_a_clock_that_was_not_to_be_chosen_for_once_is_tried_again() -> None:
    stage = Stage()
    stage.look(3.0, cpu_hz=1e9, real_cpu_hz=2e9)
    stage.look(DT_S, ClockSteps(), cpu_hz=None)
    assert stage.look(DT_S, cpu_hz=1e9, real_cpu_hz=2e9) == STEPS


def test_the_governor_goes_on_with_threads_and_pauses() -> None:
    budget = BudgetConfig(power_w=6.0)
    steps = ClockSteps(cpu_hz=STEPS.cpu_hz)
    known = Governor(4, budget, None, Priors(4.0, 1.0), GovernorConfig(), steps)
    asked: list[float | None] = []
    limits = known.limits
    for number in range(150):
        cores = limits.threads * limits.duty
        seen = Observation(
            time_s=number * DT_S,
            dt_s=DT_S,
            power_w=4.0 + cores + 0.001 * (number % 7),
            temp_c=40.0,
            trip_c=80.0,
            fan=None,
            threads=limits.threads,
            busy_s=DT_S * limits.duty,
            tokens=round(20 * limits.duty),
            running=1,
            waiting=0,
            others=0.0,
            cpu_s=DT_S * cores,
            cpu_hz=limits.cpu_hz,
            real_cpu_hz=2e9,
        )
        limits = known.step(seen)
        asked.append(limits.cpu_hz)
    assert min(hz for hz in asked if hz is not None) < 2e9
    assert asked[30:] == [None] * 120
    assert known.report.ineffective == (True, False)
    assert 4.0 + limits.threads * limits.duty <= 6.0
