"""How long the GPU worked for the engine, and for others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from look_help import QUIET

from edge_rt.governor.policy.usage import ThreadUsage

ON_GPU = replace(QUIET, running=1, busy_s=0.2, gpu_s=0.2, cpu_s=0.03)


def test_passes_count_and_not_processor_time() -> None:
    usage = ThreadUsage()
    assert usage.look(replace(ON_GPU, busy_s=0.1, gpu_s=0.1)).busy_s == pytest.approx(0.1)
    assert usage.intensity == 1.0


def test_a_pass_that_began_before_the_look_tells_how_long_before() -> None:
    usage = ThreadUsage()
    assert usage.look(replace(ON_GPU, busy_s=0.0, gpu_s=0.0)).busy_s == 0.0
    assert usage.look(replace(ON_GPU, busy_s=0.5, gpu_s=0.5)).busy_s == pytest.approx(0.2)
    assert usage.behind_s == pytest.approx(0.3)


def test_a_load_file_shows_a_pass_under_way() -> None:
    usage = ThreadUsage()
    used = usage.look(replace(ON_GPU, busy_s=0.0, gpu_s=0.0, gpu_load=0.9))
    assert used.busy_s > 0.15
    assert usage.behind_s == 0.0


def test_what_a_load_file_shows_beyond_passes_is_others() -> None:
    usage = ThreadUsage()
    look = replace(ON_GPU, busy_s=0.08, gpu_s=0.08, gpu_load=0.7)
    *_, used = [usage.look(look) for _ in range(100)]
    assert usage.gpu == pytest.approx(0.3, abs=0.02)
    assert used.busy_s == pytest.approx(0.08, abs=0.01)


def test_the_phase_of_a_pass_under_way_is_that_of_the_request_that_came() -> None:
    usage = ThreadUsage()
    usage.look(replace(ON_GPU, running=1, prompt_s=0.0))
    assert usage.prompt_share == 0.0
    usage.look(replace(ON_GPU, running=2, busy_s=0.0, gpu_s=0.0))
    assert usage.prompt_share == 1.0
    usage.look(replace(ON_GPU, running=2, busy_s=0.2, prompt_s=0.05))
    assert usage.prompt_share == pytest.approx(0.25)
