"""The board is lent to one measurement at a time, and requests hear for how long."""

from __future__ import annotations

from typing import Any

import pytest

from edge_rt.core.errors import Unavailable
from edge_rt.core.occupancy import MIN_RETRY_S, Occupancy
from edge_rt.testing.board import FakeClock


def test_requests_are_refused_until_it_is_given_back() -> None:
    clock = FakeClock(0.0)
    occupancy = Occupancy(clock)
    occupancy.check()
    with occupancy.lend("a test", 60.0):
        assert occupancy.active == 1
        clock.now += 20.0
        with pytest.raises(Unavailable, match="a test is under way") as caught:
            occupancy.check()
        assert caught.value.retry_after_s == 40.0
        clock.now += 100.0
        with pytest.raises(Unavailable) as caught, occupancy.request(9):
            pass
        assert caught.value.retry_after_s == MIN_RETRY_S
    occupancy.check()
    assert occupancy.active == 0


def test_it_is_not_lent_while_there_are_requests_or_twice() -> None:
    occupancy = Occupancy(FakeClock(0.0))
    with (
        occupancy.request(9),
        pytest.raises(Unavailable, match="1 requests"),
        occupancy.lend("a test", 1.0),
    ):
        pass
    with (
        occupancy.lend("a test", 1.0),
        pytest.raises(Unavailable, match="a test is under way"),
        occupancy.lend("another", 1.0),
    ):
        pass
    with occupancy.lend("a third", 1.0):
        assert occupancy.active == 1


def test_it_is_given_back_whatever_happens() -> None:
    occupancy = Occupancy(FakeClock(0.0))
    boom: Any = ValueError("boom")
    with pytest.raises(ValueError, match="boom"), occupancy.lend("a test", 1.0):
        raise boom
    occupancy.check()
    assert occupancy.active == 0
