"""A mean of watts is there once enough is known, and follows."""

from __future__ import annotations

import pytest

from edge_rt.board_model.idle import FadingMean


def test_it_is_the_mean_of_what_it_was_told() -> None:
    mean = FadingMean(memory_s=1e9, enough_s=0.2)
    assert mean.power_w is None
    mean.learn(1.0, 0.1)
    assert mean.power_w is None
    mean.learn(0.0, 0.1)
    assert mean.power_w == pytest.approx(5.0)


def test_what_is_old_fades() -> None:
    mean = FadingMean(memory_s=1.0, enough_s=0.2)
    for power_w in (9.0, 2.0):
        for _ in range(100):
            mean.learn(0.1 * power_w, 0.1)
    assert mean.power_w == pytest.approx(2.0, rel=0.01)


def test_no_time_teaches_nothing() -> None:
    mean = FadingMean(memory_s=1.0, enough_s=0.0)
    mean.learn(5.0, 0.0)
    mean.learn(1.0, 1.0)
    assert mean.power_w == pytest.approx(1.0)
