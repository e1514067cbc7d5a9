"""What a model on the GPU draws is its own, though nobody has calibrated it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from benchlib.boards import load_boards
from look_help import DT_S, QUIET

from edge_rt.config.schema import BudgetConfig, GovernorConfig
from edge_rt.core.limits import Limits
from edge_rt.governor.policy.governor import Governor
from edge_rt.governor.power.draws import priors_of

REST_W, ORIN = 4.5, "jetson-orin-nano-8gb"


def begun() -> Governor:
    """At rest for 20 s; its engine, which has layers on the GPU, has one thread."""
    known = Governor(1, BudgetConfig(), None, priors_of(load_boards()[ORIN]), GovernorConfig())
    for number in range(100):
        known.step(replace(QUIET, time_s=number * DT_S, power_w=REST_W, threads=1, gpu_s=0.0))
    return known


def work(known: Governor, gpu_w: float, start_s: float, seconds: float) -> Iterator[Limits]:
    """An engine that obeys, on a GPU that adds `gpu_w`."""
    for number in range(round(seconds / DT_S)):
        duty = known.limits.duty
        look = replace(QUIET, time_s=start_s + number * DT_S, threads=1, running=2, tokens=20)
        busy_s, power_w = DT_S * duty, REST_W + gpu_w * duty
        yield known.step(replace(look, busy_s=busy_s, gpu_s=busy_s, gpu_load=duty, power_w=power_w))


@pytest.mark.parametrize("gpu_w", [4.0, 6.5, 10.0])
def test_it_is_not_taken_for_the_board_s_rest(gpu_w: float) -> None:
    known, idle_w = begun(), list[float]()
    for _ in work(known, gpu_w, 20.0, 60.0):
        idle_w.append(known.report.idle_w or 0.0)
    assert max(idle_w) < 1.3 * REST_W
    known.budget = BudgetConfig(power_w=REST_W + 0.3 * gpu_w)
    admitted = {limits.admission for limits in work(known, gpu_w, 80.0, 60.0)}
    assert admitted == {"open"}


@pytest.mark.parametrize("gpu_w", [10.0, 25.0])
def test_a_cool_board_lets_it_draw_what_it_likes(gpu_w: float) -> None:
    known = begun()
    *_, limits = work(known, gpu_w, 20.0, 60.0)
    assert limits.duty == 1.0
