"""The clocks that are weighed, and how a setting names them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from look_help import QUIET

from edge_rt.core.limits import ClockSteps
from edge_rt.governor.policy.setting import ClockRange, EngineSetting

STEPS = ClockSteps(cpu_hz=tuple(1e8 * n for n in range(2, 25)), gpu_hz=(3e8, 4e8, 5e8, 6e8))


def test_without_steps_only_threads_are_chosen() -> None:
    clocks = ClockRange(ClockSteps())
    assert set(clocks.around(EngineSetting(2), 1, 4)) == {EngineSetting(n) for n in (1, 2, 3, 4)}
    assert clocks.cpu_hz(EngineSetting(2)) is None
    assert clocks.gpu_hz(EngineSetting(2)) is None
    assert clocks.seen(replace(QUIET, cpu_hz=1e9), 2) == EngineSetting(2)


def test_all_counts_at_the_present_clock_and_clocks_near_the_present_count_are_weighed() -> None:
    present = EngineSetting(4, 12 / 24)
    found = set(ClockRange(STEPS).around(present, 1, 8))
    assert {s.threads for s in found if s.cpu == present.cpu} == set(range(1, 9))
    assert {s.threads for s in found if s.cpu != present.cpu} == {3, 4, 5}
    steps = {round(24 * s.cpu) for s in found}
    assert {11, 12, 13, 24} <= steps  # its neighbours, and the top
    assert min(steps) >= 0.35 * 24
    assert len(found) < 40


def test_what_is_read_back_is_a_step() -> None:
    clocks = ClockRange(STEPS)
    seen = replace(QUIET, cpu_hz=1.204e9)
    assert clocks.seen(seen, 3) == EngineSetting(3, pytest.approx(0.5))
    assert clocks.cpu_hz(clocks.seen(seen, 3)) == 1.2e9


def test_a_model_on_the_gpu_has_the_gpus_clocks() -> None:
    clocks, seen = ClockRange(STEPS), replace(QUIET, gpu_s=0.1, gpu_hz=5e8)
    present = clocks.seen(seen, 4)
    assert present.gpu == pytest.approx(5 / 6)
    found = list(clocks.around(present, 1, 4))
    assert {(s.threads, s.cpu) for s in found} == {(4, 1.0)}
    assert [clocks.gpu_hz(s) for s in found] == [3e8, 4e8, 5e8, 6e8]
    assert clocks.slowed_hz(present) == 5e8
    assert clocks.gpu_hz(EngineSetting(4)) == 6e8  # nothing of ours is there
