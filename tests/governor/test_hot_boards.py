"""The governor on simulated boards in hot rooms."""

from __future__ import annotations

from dataclasses import replace

import pytest
from model_board import simulate
from twin_scenes import (
    at_full,
    best_constant,
    governed,
    hot_scene,
    tokens_per_s,
)

from edge_rt.config.schema import BudgetConfig

pytestmark = pytest.mark.slow  # hours of simulated time

PI, ORIN = "raspberry-pi-5", "jetson-orin-nano-8gb"


def test_a_pi_does_not_throttle_and_is_as_fast_as_it_may() -> None:
    scene = hot_scene(PI, 0)
    assert at_full(scene).throttles > 0
    trace = simulate(scene, governed(scene.board, BudgetConfig()).step)
    assert trace.throttles == 0
    best = best_constant(scene, lambda trace: not trace.throttles)
    assert tokens_per_s(scene, trace) >= 0.9 * best.tokens_per_s


def test_an_orin_does_not_throttle_where_it_would() -> None:
    scene = hot_scene(ORIN, 1)
    free = at_full(scene)
    assert free.throttles > 0
    trace = simulate(scene, governed(scene.board, BudgetConfig()).step)
    assert trace.throttles == 0
    assert tokens_per_s(scene, trace) > 0.85 * tokens_per_s(scene, free)


@pytest.mark.parametrize(
    ("power", "temp"), [(True, False), (False, True), (False, False)], ids=["temp", "power", "both"]
)
def test_sensors_that_are_lost_make_it_careful_not_hot(power: bool, temp: bool) -> None:
    """Lost when the fan has stood still for 100 s, which the forecast knows by then."""
    scene = replace(hot_scene(PI, 0, phase_s=200.0), seconds=900.0)
    assert at_full(scene).throttles > 0
    scene = replace(
        scene,
        power_sensor=lambda time_s: power or time_s < 500.0,
        temp_sensor=lambda time_s: temp or time_s < 500.0,
    )
    known = governed(scene.board, BudgetConfig())
    trace = simulate(scene, known.step)
    assert trace.throttles == 0
    assert len(known.report.missing) == (not power) + (not temp)
    assert trace.tokens_per_s(500.0) > 5.0


def test_a_ceiling_is_kept_while_the_room_allows() -> None:
    scene = replace(hot_scene(PI, 1, phase_s=200.0), seconds=200.0)
    free = at_full(scene)
    trace = simulate(scene, governed(scene.board, BudgetConfig(temp_c=56.0)).step)
    assert max(free.temp_c) > 60.0
    assert max(trace.temp_c) <= 56.5
    assert trace.tokens_per_s(150.0) > 0.3 * free.tokens_per_s(150.0)
