"""How busy threads are within passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from look_help import QUIET

from edge_rt.core.limits import Observation
from edge_rt.governor.policy.usage import ThreadUsage, Used

WORK = replace(QUIET, threads=4, running=1, busy_s=0.1)


def watched(looks: int, cpu_s: float, busy_s: float, **seen: float) -> ThreadUsage:
    usage = ThreadUsage()
    for _ in range(looks):
        usage.look(replace(QUIET, threads=2, cpu_s=cpu_s, busy_s=busy_s, **seen))
    return usage


def test_threads_that_wait_are_busy_for_less_than_their_passes() -> None:
    assert watched(50, 0.24, 0.2).intensity == pytest.approx(0.6)


def test_what_prompts_take_is_counted_apart() -> None:
    decoding, reading = watched(50, 0.24, 0.2), watched(50, 0.32, 0.2, prompt_s=0.2)
    assert (decoding.prompt_intensity, reading.intensity) == (1.0, 1.0)
    assert reading.prompt_intensity == pytest.approx(0.8)
    mixed = watched(50, 0.24, 0.2, prompt_s=0.1)
    assert (mixed.intensity, mixed.prompt_intensity) == (1.0, 1.0)


def test_the_first_pass_of_a_model_which_pages_it_in_says_nothing_of_later_ones() -> None:
    assert watched(5, 0.16, 0.2).intensity == 1.0


def used(*looks: Observation) -> Used:
    """Of the last of these."""
    usage = ThreadUsage()
    return [usage.look(look) for look in looks][-1]


def test_threads_that_nobody_asked_for_did_not_compute() -> None:
    assert used(replace(WORK, cpu_s=0.1, spare_s=0.3)) == Used(1, pytest.approx(0.1))
    assert used(replace(WORK, cpu_s=0.2, spare_s=0.2)) == Used(2, pytest.approx(0.1))
    assert used(replace(WORK, cpu_s=0.4)) == Used(4, pytest.approx(0.1))


def test_of_passes_with_unequal_counts_the_core_seconds_are_right() -> None:
    both = replace(WORK, cpu_s=0.25, spare_s=0.15)  # four threads for half of it, and one
    assert used(both) == Used(3, pytest.approx(0.25 / 3))
    assert used(replace(both, cpu_s=None)) == Used(3, pytest.approx(0.25 / 3))


def test_a_pass_under_way_has_the_threads_of_the_one_before() -> None:
    before = replace(WORK, cpu_s=0.1, spare_s=0.3)
    within = replace(WORK, cpu_s=0.2, busy_s=0.0)
    assert used(before, within) == Used(1, pytest.approx(0.2))
    assert used(within) == Used(4, pytest.approx(0.05))
    ended = replace(QUIET, threads=4)
    assert used(before, ended, within).threads == 4


def test_the_first_pass_of_all_has_the_threads_that_are_asked_for() -> None:
    first = replace(WORK, running=0, busy_s=0.0, cpu_s=0.1, asked=1)
    assert used(first) == Used(1, pytest.approx(0.1))
    assert used(replace(first, asked=9)).threads == 4
    assert used(replace(first, cpu_s=0.5)).threads == 3  # as can be seen, others are there too


def test_a_long_first_pass_with_fewer_threads_is_no_idle_one() -> None:
    usage = ThreadUsage()
    for _ in range(20):
        usage.look(replace(WORK, running=0, busy_s=0.0, cpu_s=0.2, asked=1))
    usage.look(replace(WORK, busy_s=4.2, cpu_s=0.2, spare_s=3 * 4.2, asked=1))
    assert usage.intensity > 0.8


def test_fewer_threads_are_no_idle_ones() -> None:
    usage = ThreadUsage()
    for _ in range(50):
        usage.look(replace(WORK, cpu_s=0.1, spare_s=0.3))
    assert usage.intensity == pytest.approx(1.0)


def test_a_limit_that_has_fallen_meanwhile_leaves_one_thread_at_least() -> None:
    assert used(replace(WORK, threads=1, cpu_s=0.1, spare_s=0.3)).threads == 1
