"""The mix is of late: shares add up, and what is long ago fades."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.routing.choice.history import KINDS, MEMORY_S, RequestMix
from edge_rt.testing.board import FakeClock


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1000)), min_size=1))
def test_shares_add_up_to_one(requests: list[tuple[int, float]]) -> None:
    clock = FakeClock()
    mix: RequestMix[int] = RequestMix(clock)
    for kind, pause_s in requests:
        clock.now += pause_s
        mix.note(kind)
    assert sum(mix.shares().values()) == pytest.approx(1.0)


def test_nothing_came_yet() -> None:
    mix: RequestMix[str] = RequestMix(FakeClock())
    assert mix.shares() == {}
    assert mix.per_second() == 0.0


def test_the_latest_requests_count_most() -> None:
    clock = FakeClock()
    mix: RequestMix[str] = RequestMix(clock)
    for _ in range(100):
        mix.note("old")
    clock.now += 5 * MEMORY_S
    for _ in range(10):
        mix.note("new")
    assert mix.shares()["new"] > 0.9


@pytest.mark.parametrize("seconds", [300, 30_000])
def test_a_steady_rate_is_told_from_the_beginning_on(seconds: int) -> None:
    clock = FakeClock(0.0)
    mix: RequestMix[str] = RequestMix(clock)
    for _ in range(seconds // 10):
        clock.now += 10.0
        mix.note("one")
    assert mix.per_second() == pytest.approx(0.1, rel=0.05)


def test_only_so_many_kinds_are_kept() -> None:
    mix: RequestMix[int] = RequestMix(FakeClock())
    for kind in range(KINDS + 10):
        mix.note(kind)
    assert len(mix.shares()) == KINDS
