"""How busy threads are within passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from look_help import QUIET

from edge_rt.governor.usage import Usage


def watched(looks: int, cpu_s: float, busy_s: float) -> Usage:
    usage = Usage()
    for _ in range(looks):
        usage.look(replace(QUIET, threads=2, cpu_s=cpu_s, busy_s=busy_s))
    return usage


def test_threads_that_wait_are_busy_for_less_than_their_passes() -> None:
    assert watched(50, 0.24, 0.2).intensity == pytest.approx(0.6)


def test_the_first_pass_of_a_model_which_pages_it_in_says_nothing_of_later_ones() -> None:
    assert watched(5, 0.16, 0.2).intensity == 1.0
