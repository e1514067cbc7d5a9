"""Leakage is measured where idle power shows it, and otherwise tagged as assumed."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
from arrhenius_board import KINDS, ForeignBoard, day
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_rt.thermal.idle import IdleLog, Stretch, TemperatureCell
from edge_rt.thermal.leakage import Leakage
from edge_rt.thermal.leakage_fit import LeakageFit, LeakagePrior, fit_leakage

SETTLE_S = 8


def cooled(
    leakage: Leakage,
    low_c: float = 42.0,
    high_c: float = 70.0,
    drift: float = 0.0015,
    noise_w: float = 0.001,
    seed: int = 1,
) -> Stretch:
    """Of one cool-down, beside a floor of 3 W."""
    dice, count = random.Random(seed), round(2.0 * (high_c - low_c))
    temps = [low_c + 0.5 * n for n in range(count + 1)]
    return Stretch(
        0.0,
        tuple(
            TemperatureCell(
                t, 3.0 + drift * (t - 45.0) + leakage.power_w(t) + dice.gauss(0.0, noise_w), 2.0
            )
            for t in temps
        ),
    )


def fit(*stretches: Stretch, idle_w: float = 3.3, now: float = 0.0) -> LeakageFit:
    return fit_leakage(stretches, LeakagePrior(idle_w), now)


def grown_w(leakage: Leakage) -> float:
    return leakage.power_w(70.0) - leakage.power_w(45.0)


@pytest.mark.parametrize("doubling_c", [16.0, 20.0])
def test_a_long_cooling_measures_it(doubling_c: float) -> None:
    truth = Leakage(1.1, doubling_c)
    found = fit(cooled(truth))
    assert found.source == "measured", found
    assert found.missing is None
    assert found.growth_w.middle == pytest.approx(grown_w(truth), rel=0.1)
    assert found.growth_w.low <= grown_w(truth) <= found.growth_w.high
    assert found.doubling_c.low <= doubling_c <= found.doubling_c.high
    assert found.other_w(60.0) == pytest.approx(3.0 + 0.0015 * 15.0, abs=0.3)


def test_without_readings_the_default_is_assumed_and_said_to_be() -> None:
    found = fit(idle_w=4.0)
    assert found.source == "assumed"
    assert found.leakage.doubling_c == 20.0
    assert found.leakage.reference_w == pytest.approx(0.4, rel=0.01)  # a tenth of the idle draw
    assert found.floor_w == pytest.approx(3.6, rel=0.01)
    assert "not idle" in (found.missing or "")
    own = fit_leakage((), LeakagePrior(4.0, 0.7), 0.0)
    assert own.leakage.reference_w == pytest.approx(0.7, rel=0.01)  # the profile's


def test_a_short_cooling_leaves_it_assumed_and_says_by_how_much() -> None:
    found = fit(cooled(Leakage(0.3), 45.0, 52.0))
    assert found.source == "assumed"
    assert found.leakage.doubling_c == 20.0
    assert "7 K" in (found.missing or "")
    assert found.growth_w.low <= grown_w(Leakage(0.3)) <= found.growth_w.high


@pytest.mark.parametrize("drift", [0.0, 0.0025, 0.005])
@pytest.mark.parametrize("reference_w", [0.3, 0.6, 1.2])
def test_what_regulators_lose_more_as_they_warm_is_inside_the_interval(
    drift: float, reference_w: float
) -> None:
    truth = grown_w(Leakage(reference_w))
    found = fit(cooled(Leakage(reference_w), drift=drift))
    assert found.growth_w.low <= truth <= found.growth_w.high
    if found.source == "measured":
        assert found.growth_w.middle == pytest.approx(truth, rel=0.2)


def test_more_noise_and_less_span_widen_the_interval() -> None:
    truth = Leakage(0.6)
    widths = [
        fit(cooled(truth, high_c=high_c, noise_w=noise_w)).growth_w.half
        for high_c, noise_w in ((72.0, 0.001), (72.0, 0.03), (60.0, 0.03), (50.0, 0.03))
    ]
    assert widths == sorted(widths)


def test_more_hours_narrow_it_and_each_may_have_another_floor() -> None:
    truth = Leakage(0.8)
    one = cooled(truth, 44.0, 66.0, noise_w=0.02)
    raised = [
        Stretch(0.0, tuple(c._replace(power_w=c.power_w + 0.3 * n) for c in stretch.cells))
        for n, stretch in enumerate(
            cooled(truth, 44.0, 66.0, noise_w=0.02, seed=n) for n in range(9)
        )
    ]
    many = fit(*raised)
    assert many.growth_w.half < fit(one).growth_w.half
    assert many.growth_w.middle == pytest.approx(grown_w(truth), rel=0.2)


def test_wild_cells_are_left_out() -> None:
    clean = cooled(Leakage(0.6, 18.0))
    wild = Stretch(
        0.0,
        tuple(
            c._replace(power_w=c.power_w + 1.5 * (n % 9 == 4)) for n, c in enumerate(clean.cells)
        ),
    )
    assert fit(wild).growth_w.middle == pytest.approx(fit(clean).growth_w.middle, rel=0.05)


def test_old_hours_count_for_less() -> None:
    old, new = cooled(Leakage(0.9)), cooled(Leakage(0.5))
    month_s = 30 * 86_400.0
    found = fit(old, Stretch(month_s, new.cells), now=month_s)
    even = fit(old, new)
    assert found.growth_w.middle < even.growth_w.middle


def test_power_that_falls_as_the_board_warms_is_no_leakage() -> None:
    rising = Stretch(
        0.0, tuple(TemperatureCell(40.0 + 0.5 * n, 5.0 - 0.02 * n, 2.0) for n in range(60))
    )
    found = fit(rising)
    assert found.source == "assumed"
    assert "does not follow" in (found.missing or "")
    assert found.leakage == fit().leakage


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-60, 200), st.floats(0, 1e4), st.floats(0.1, 60)), max_size=30))
def test_no_readings_raise(cells: list[tuple[float, float, float]]) -> None:
    found = fit(Stretch(0.0, tuple(sorted(TemperatureCell(*cell) for cell in cells))))
    assert math.isfinite(found.leakage.reference_w)
    assert found.growth_w.low <= found.growth_w.middle <= found.growth_w.high
    assert found.floor_w >= 0.0


# --- a board that shares no equation with ours


def watched(name: str, seed: int, drift_w_per_k: float) -> tuple[LeakageFit, float]:
    """After a day of mixed use with a working fan, and the truth of what leakage grows by."""
    board, idle, quiet_s = ForeignBoard(KINDS[name], seed, 25.0, drift_w_per_k), IdleLog(), 0.0
    for reading, busy in day(board, 6 * 3600.0):
        quiet_s = 0.0 if busy else quiet_s + 1.0
        if quiet_s > SETTLE_S:
            idle.feed(reading.time_s, reading.time_s, reading.temp_c, reading.power_w)
    prior = LeakagePrior(board.kind.rest_w + board.kind.leak_w)
    return fit_leakage(idle.stretches(), prior, board.time_s), board.growth_w


def calibrated(name: str, seed: int, drift_w_per_k: float) -> tuple[LeakageFit, float]:
    """After a long job without a fan, watched while it cools with one."""
    board, idle = ForeignBoard(KINDS[name], seed, 25.0, drift_w_per_k), IdleLog()
    board.fan_works = False
    while board.step(1.0, 1.0).true_c < 75.0 and board.time_s < 3600.0:
        pass
    board.fan_works = True
    for second in range(900):
        reading = board.step(0.0, 1.0)
        if second >= SETTLE_S:
            idle.feed(reading.time_s, reading.time_s, reading.temp_c, reading.power_w)
    prior = LeakagePrior(board.kind.rest_w + board.kind.leak_w)
    return fit_leakage(idle.stretches(), prior, board.time_s), board.growth_w


def held(found: list[tuple[LeakageFit, float]]) -> tuple[float, float, float]:
    """Shares: right or assumed, within the interval, and measured."""
    right = [
        fit.source == "assumed" or abs(fit.growth_w.middle / truth - 1.0) <= 0.15
        for fit, truth in found
    ]
    covered = [fit.growth_w.low <= truth <= fit.growth_w.high for fit, truth in found]
    measured = [fit.source == "measured" for fit, _ in found]
    return fmean(map(float, right)), fmean(map(float, covered)), fmean(map(float, measured))


@pytest.mark.slow
@pytest.mark.parametrize("drift_w_per_k", [0.0, 0.005])
@pytest.mark.parametrize("name", KINDS)
def test_days_with_a_working_fan_are_told_right_or_said_to_be_assumed(
    name: str, drift_w_per_k: float
) -> None:
    right, covered, _ = held([watched(name, seed, drift_w_per_k) for seed in range(5)])
    assert right >= 0.8  # of five: nine of ten are measured by `tools/bench govern`
    assert covered >= 0.8


@pytest.mark.parametrize("name", ["orin", "agx"])
def test_a_cooling_over_25_k_is_mostly_measured(name: str) -> None:
    right, covered, measured = held([calibrated(name, seed, 0.001) for seed in range(6)])
    assert measured >= 0.5
    assert right >= 0.8
    assert covered >= 0.8
