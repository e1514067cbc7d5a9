"""Forecasts that are put to the test are scored at each horizon, if they can be."""

from __future__ import annotations

import pytest
from toy_board import steady

from edge_rt.thermal.course import HORIZONS_S, Band, ForecastTrials, Score, Trial
from edge_rt.thermal.network import Network

BOARD = Network((1.5, 6.0), (4.0, 60.0), 2.0, 28.0)
STEADY = steady(BOARD, 5.0, 0.5)
BAND = Band(1.5, 0.4)


def trial() -> Trial:
    """From the steady state of 5 W."""
    return Trial(BOARD, STEADY, 0.5, BAND)


def run(
    trials: ForecastTrials,
    seconds: float,
    dt_s: float = 0.5,
    power_w: float = 5.0,
    known: bool = True,
    temp_c: float | None = STEADY[0] + 1.5,
) -> list[Score]:
    found: list[Score] = []
    for _ in range(round(seconds / dt_s)):
        found += trials.advance(dt_s, power_w, known, temp_c)
    return found


def test_a_forecast_is_scored_once_at_each_horizon_with_the_band_it_was_told() -> None:
    trials = ForecastTrials()
    trials.start(trial())
    found = run(trials, 200.0)
    assert [score.index for score in found] == [0, 1]
    assert [score.band_k for score in found] == pytest.approx([1.5 * 0.4] * 2)
    assert [score.error_k for score in found] == pytest.approx([1.5] * 2)


def test_what_comes_of_age_unseen_is_not_scored() -> None:
    trials = ForecastTrials()
    trials.start(trial())
    assert run(trials, HORIZONS_S[0], temp_c=None) == []
    assert [score.index for score in run(trials, 200.0)] == [1]


def test_a_forecast_follows_the_power_that_really_comes() -> None:
    trials = ForecastTrials()
    trials.start(trial())
    hot = steady(BOARD, 9.0, 0.5)
    found = run(trials, 60.0, power_w=9.0, temp_c=hot[0])
    errors = [score.error_k for score in found]
    assert errors == sorted(errors, reverse=True)  # nearer and nearer to the new steady state
    assert found[1].moved_k > found[0].moved_k > 0.0
    assert found[1].band_k > found[0].band_k
    assert 0.0 < errors[-1] < hot[0] - STEADY[0]


def test_long_steps_come_to_the_same() -> None:
    temps: list[float] = []
    for dt_s in (0.2, 5.0):
        one = trial()
        for _ in range(round(30.0 / dt_s)):
            one.advance(dt_s, 9.0)
        temps.append(one.temps_c[0])
    assert temps[0] == pytest.approx(temps[1], abs=0.05)


def test_a_little_time_without_power_does_not_matter_but_much_does() -> None:
    trials = ForecastTrials()
    trials.start(trial())
    scores: list[Score] = []
    for number in range(600):
        scores += trials.advance(0.1, 5.0, number % 10 > 0, STEADY[0])
    assert len(scores) == len(HORIZONS_S)
    trials.start(trial())
    run(trials, 20.0, known=False)
    assert run(trials, 200.0) == []


def test_they_are_due_every_five_seconds() -> None:
    trials = ForecastTrials()
    starts = 0
    for _ in range(600):
        if trials.due(0.1):
            trials.start(trial())
            starts += 1
    assert starts == 12


def test_after_clearing_nothing_is_under_way_and_the_next_is_due() -> None:
    trials = ForecastTrials()
    trials.start(trial())
    trials.clear()
    assert trials.due(0.1)
    assert run(trials, 200.0) == []
