"""What the governor says of figures that nobody has measured."""

from __future__ import annotations

import dataclasses

import pytest
from look_help import QUIET, governor, settle

from edge_rt.config.schema import BudgetConfig, GovernorConfig
from edge_rt.core.limits import Limits
from edge_rt.governor.policy.guard import GuardState
from edge_rt.governor.report import why


@pytest.mark.parametrize(
    ("power_w", "said"),
    [
        (4.0, "leaves nothing beyond the 4 W that the board draws idle"),
        (None, "leaves nothing beyond the about 4 W that the board draws idle by a model of it"),
    ],
)
def test_idle_power_of_a_model_is_told_as_such(power_w: float | None, said: str) -> None:
    limits = settle(governor(BudgetConfig(power_w=2.0)), running=1, power_w=power_w)
    assert limits.why.startswith(f"the power cap of 2 W {said}")


@pytest.mark.parametrize(
    ("duty", "prompt_duty", "said"),
    [
        (0.18, None, "18 % of the time"),
        (0.18, 0.06, "18 % of the time, and 6 % to read prompts"),
        (1.0, 0.06, "6 % of the time to read prompts"),
    ],
)
def test_the_share_that_is_told_is_the_one_of_the_limits(
    duty: float, prompt_duty: float | None, said: str
) -> None:
    limits = Limits(1, duty, prompt_duty=prompt_duty)
    guard = GuardState(GovernorConfig())
    told = why(limits, QUIET, "the power cap of 8 W", guard, 4.0, cores=1, asked=False)
    assert told == (f"the power cap of 8 W allows 1 thread {said}", True)


@pytest.mark.parametrize(
    ("limits", "others", "asked", "slows"),
    [
        (Limits(4), 0.0, False, False),
        (Limits(2), 0.0, True, False),
        (Limits(2), 0.0, False, False),
        (Limits(2), 2.0, False, True),
        (Limits(2, allowance_w=6.0), 0.0, False, True),
        (Limits(4, admission="queue"), 0.0, False, True),
        (Limits(4, guard="evacuate"), 0.0, False, True),
    ],
)
def test_fewer_threads_slow_answers_where_others_or_a_cap_take_them(
    limits: Limits, others: float, asked: bool, slows: bool
) -> None:
    seen, guard = dataclasses.replace(QUIET, others=others), GuardState(GovernorConfig())
    told = why(limits, seen, "the power cap of 8 W", guard, 4.0, cores=4, asked=asked)
    assert told[1] is slows
