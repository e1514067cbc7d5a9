"""The board is lent to one at a time, and requests hear for how long."""

from __future__ import annotations

from typing import Any, cast

import pytest

from edge_rt.core.errors import Unavailable
from edge_rt.energy.usage import TokenCounts
from edge_rt.engine.supervisor import Supervisor
from edge_rt.generation.state import RETRY_S, Alone, State
from edge_rt.testing.board import FakeClock


def make() -> tuple[Alone, State, FakeClock]:
    clock = FakeClock(0.0)
    state = State(cast(Supervisor, None), TokenCounts(), clock)
    return Alone(state, clock), state, clock


def test_requests_are_refused_until_it_is_given_back() -> None:
    alone, state, clock = make()
    alone.check()
    with alone.hold("a test", 60.0):
        assert (alone.lent, state.active) == ("a test", 1)
        clock.now += 20.0
        with pytest.raises(Unavailable, match="a test is under way") as caught:
            alone.check()
        assert caught.value.retry_after_s == 40.0
        clock.now += 100.0
        with pytest.raises(Unavailable) as caught:
            alone.check()
        assert caught.value.retry_after_s == RETRY_S
    alone.check()
    assert (alone.lent, state.active) == (None, 0)


def test_it_is_not_lent_while_there_are_requests_or_twice() -> None:
    alone, state, _ = make()
    with state.request(9):
        assert "1 requests" in (alone.refusal() or "")
        with pytest.raises(Unavailable, match="1 requests"), alone.hold("a test", 1.0):
            pass
    with alone.hold("a test", 1.0), pytest.raises(Unavailable), alone.hold("another", 1.0):
        pass
    assert alone.refusal() is None


def test_it_is_given_back_whatever_happens() -> None:
    alone, state, _ = make()
    boom: Any = ValueError("boom")
    with pytest.raises(ValueError, match="boom"), alone.hold("a test", 1.0):
        raise boom
    assert (alone.lent, state.active) == (None, 0)
