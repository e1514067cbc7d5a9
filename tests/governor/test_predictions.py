"""A forecast comes back when its time has come, and none is kept for longer."""

from __future__ import annotations

import math

import pytest

from edge_rt.governor.history import Predictions

NOTHING = (pytest.approx(math.nan, nan_ok=True),) * 2


def test_it_comes_back_a_horizon_later() -> None:
    foretold = Predictions(2.0)
    assert foretold.due(100.0, 60.0, 1.0) == NOTHING
    assert foretold.due(101.0, 61.0, None) == NOTHING
    assert foretold.due(102.0, None, None) == (60.0, 1.0)
    assert foretold.due(103.0, None, None) == (61.0, pytest.approx(math.nan, nan_ok=True))
    assert foretold.due(105.0, None, None) == NOTHING


@pytest.mark.parametrize(("late", "found"), [(-0.4, True), (1.4, True), (1.6, False), (50, False)])
def test_a_little_early_or_late(late: float, found: bool) -> None:
    foretold = Predictions(30.0)
    foretold.due(100.0, 60.0, 1.0)
    assert (foretold.due(130.0 + late, None, None) == (60.0, 1.0)) == found
    assert len(foretold) == 0


def test_no_more_is_kept_than_has_its_time_to_come() -> None:
    foretold = Predictions(30.0)
    for second in range(1000):
        foretold.due(float(second), 60.0, 1.0)
        assert len(foretold) <= 30


def test_a_clock_that_is_set_back_makes_all_of_them_void() -> None:
    foretold = Predictions(30.0)
    for second in range(1000, 2000):
        foretold.due(float(second), 60.0, 1.0)
    for second in range(1980):
        due = foretold.due(float(second), 70.0, 2.0)
        assert due == (NOTHING if second < 30 else (70.0, 2.0))
        assert len(foretold) <= 30
