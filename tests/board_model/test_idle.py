"""Idle power is unknown, told, then learnt, and follows what it sees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board_model.idle import IdlePower

WINDOWS = st.lists(st.tuples(st.floats(0.0, 50.0), st.floats(0.05, 5.0)), min_size=1, max_size=30)


def test_nothing_is_known_at_first() -> None:
    assert IdlePower().idle_w is None


def test_what_was_told_stands_until_there_was_idle_time() -> None:
    idle = IdlePower(4.6)
    idle.learn(1.0, 0.0)
    idle.learn(0.1, 0.02)
    assert idle.idle_w == 4.6
    idle.learn(0.2, 0.08)
    assert idle.idle_w == pytest.approx(3.0, rel=0.01)


@given(st.floats(0.0, 50.0), st.floats(0.05, 100.0), st.integers(1, 20))
def test_a_constant_is_learnt_at_once_and_kept(power: float, window_s: float, times: int) -> None:
    idle = IdlePower(99.0)
    for _ in range(times):
        idle.learn(power * window_s, window_s)
        assert idle.idle_w == pytest.approx(power)


@given(WINDOWS)
def test_it_lies_between_what_was_seen(windows: list[tuple[float, float]]) -> None:
    idle = IdlePower()
    for power, window_s in windows:
        idle.learn(power * window_s, window_s)
    powers = [power for power, _ in windows]
    assert idle.idle_w is not None
    assert min(powers) - 1e-9 <= idle.idle_w <= max(powers) + 1e-9


def test_it_forgets_with_time() -> None:
    idle = IdlePower()
    for power, seconds in ((3.0, 30), (6.0, 3)):
        for _ in range(10 * seconds):
            idle.learn(0.1 * power, 0.1)
    assert idle.idle_w == pytest.approx(6.0 - 3.0 * 0.3679, rel=0.001)


def test_a_program_that_has_ended_is_forgotten_within_seconds() -> None:
    idle = IdlePower()
    for power, seconds in ((8.0, 60), (3.0, 10)):
        for _ in range(10 * seconds):
            idle.learn(0.1 * power, 0.1)
    assert idle.idle_w == pytest.approx(3.0, abs=0.2)


def test_the_mean_does_not_depend_on_how_time_is_cut() -> None:
    fine, coarse = IdlePower(), IdlePower()
    for power in (3.0, 5.0, 4.0):
        coarse.learn(2.0 * power, 2.0)
        for _ in range(20):
            fine.learn(0.1 * power, 0.1)
    assert fine.idle_w == pytest.approx(coarse.idle_w)


def test_it_is_never_below_zero() -> None:
    idle = IdlePower()
    idle.learn(-1.0, 1.0)
    assert idle.idle_w == 0.0
