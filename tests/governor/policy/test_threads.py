"""Threads follow what others leave free, slowly enough not to flap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.governor.policy.usage import DOWN_AFTER, UP_AFTER, ThreadChooser

cores = st.integers(1, 16)
readings = st.floats(0, 40)


@given(cores, st.lists(readings, max_size=40))
def test_there_is_always_a_thread_and_never_more_than_cores(n: int, others: list[float]) -> None:
    chooser = ThreadChooser(n)
    assert chooser.threads == n
    for reading in others:
        assert 1 <= chooser.update(reading) <= n


@given(cores, readings, st.integers(0, 30))
def test_a_constant_load_changes_the_threads_once(n: int, load: float, before: int) -> None:
    chooser = ThreadChooser(n)
    for _ in range(before):
        chooser.update(0.0)
    seen = [chooser.update(load) for _ in range(50)]
    changes = sum(a != b for a, b in zip([n, *seen], seen, strict=False))
    assert changes <= 1
    settled = [chooser.update(0.0) for _ in range(50)]
    assert settled[-1] == n
    assert sum(a != b for a, b in zip([seen[-1], *settled], settled, strict=False)) <= 1


@given(cores, readings, st.integers(1, DOWN_AFTER - 1), st.integers(1, 10))
def test_a_spike_changes_nothing(n: int, spike: float, length: int, calm: int) -> None:
    chooser = ThreadChooser(n)
    for _ in range(10):
        assert [chooser.update(spike) for _ in range(length)] == [n] * length
        assert [chooser.update(0.0) for _ in range(calm)] == [n] * calm


@given(cores, st.lists(readings, min_size=1, max_size=40))
def test_a_core_is_left_for_each_that_others_use_fully(n: int, others: list[float]) -> None:
    chooser = ThreadChooser(n)
    for reading in others:
        chooser.update(reading)
    for _ in range(2 * max(DOWN_AFTER, UP_AFTER)):
        chooser.update(float(int(others[0])))
    assert chooser.threads == max(1, n - int(others[0]))


def test_a_hog_on_a_board_of_two_cores() -> None:
    chooser = ThreadChooser(2)
    seen = [chooser.update(load) for load in [0.1, 1.0, 1.0, 0.9, 0.1, 0.0, 0.1, 0.0]]
    assert seen == [2, 2, 1, 1, 1, 1, 2, 2]


@pytest.mark.parametrize("load", [0.45, 0.5, 0.55])
@pytest.mark.parametrize("busy", [False, True])
def test_between_the_thresholds_everything_stays(load: float, busy: bool) -> None:
    chooser = ThreadChooser(2)
    if busy:
        chooser.update(1.0)
        chooser.update(1.0)
    before = chooser.threads
    assert {chooser.update(load) for _ in range(20)} == {before}


@given(st.lists(st.sampled_from([0.0, 1.0]), max_size=60))
def test_no_change_comes_sooner_than_its_readings_in_a_row(others: list[float]) -> None:
    chooser = ThreadChooser(2)
    for i, reading in enumerate(others):
        before = chooser.threads
        after = chooser.update(reading)
        if after < before:
            assert others[i - DOWN_AFTER + 1 : i + 1] == [1.0] * DOWN_AFTER
        if after > before:
            assert others[i - UP_AFTER + 1 : i + 1] == [0.0] * UP_AFTER


def test_one_wild_reading_among_busy_ones_takes_no_more_than_the_others_ask() -> None:
    chooser = ThreadChooser(8)
    chooser.update(1.0)
    assert chooser.update(7.0) == 7
