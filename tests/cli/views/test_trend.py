"""Speeds come from differences, and only where both ends are known."""

from __future__ import annotations

import pytest

from edge_rt.cli.views.looks import Trend


def look(trend: Trend, time_s: float, tokens: float | None, joules: float, lost: float = 0) -> None:
    supply = {"power_w": 5.0, "energy_j": joules, "missing_s": lost}
    trend.add(time_s, {"tokens": {"completion": tokens}}, {"supply": supply})


def test_a_speed_needs_two_looks() -> None:
    trend = Trend()
    look(trend, 0.0, 100, 50.0)
    assert (trend.tokens_per_s, trend.joules_per_token) == (None, None)
    look(trend, 2.0, 160, 60.0)
    assert trend.tokens_per_s == pytest.approx(30.0)
    assert trend.joules_per_token == pytest.approx(10 / 60)


def test_only_the_last_seconds_count() -> None:
    trend = Trend()
    for second in range(20):
        look(trend, float(second), 10 * second if second < 10 else 100, 5.0 * second)
    assert (trend.tokens_per_s, trend.joules_per_token) == (0.0, None)


def test_energy_that_is_partly_missing_gives_no_figure() -> None:
    trend = Trend()
    look(trend, 0.0, 0, 0.0)
    look(trend, 1.0, 10, 5.0, lost=0.5)
    assert trend.tokens_per_s == 10.0
    assert trend.joules_per_token is None


@pytest.mark.parametrize("tokens", [5, None])
def test_counters_that_began_anew_are_no_speed(tokens: float | None) -> None:
    trend = Trend()
    look(trend, 0.0, 100, 50.0)
    look(trend, 1.0, tokens, 60.0)
    assert trend.tokens_per_s is None


def test_a_daemon_that_went_away_leaves_a_gap() -> None:
    trend = Trend()
    look(trend, 0.0, 0, 0.0)
    trend.gone()
    look(trend, 9.0, 900, 0.0)
    assert list(trend.powers) == [5.0, None, 5.0]
    assert trend.tokens_per_s is None


def test_a_daemon_that_tells_nothing_gives_nothing() -> None:
    trend = Trend()
    for second in (0.0, 1.0):
        trend.add(second, {}, {})
    assert (trend.tokens_per_s, trend.joules_per_token) == (None, None)
    assert list(trend.powers) == [None, None]
