"""The tracker follows a board at work, keeps its last good fit, and stays small."""

from __future__ import annotations

import math
import random

import pytest
from benchlib.heat_lab import Lab
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_rt.thermal.cooling import LeakageFit, Rejected
from edge_rt.thermal.leakage import Leakage
from edge_rt.thermal.refit import LeakageTracker

HOUR_S = 3600.0
SETTLE_S = 3


def sweep(
    tracker: LeakageTracker, leakage: Leakage, begin_s: float, floor_w: float, low_c: float = 40.0
) -> None:
    """Half an hour: down and up again by 30 K."""
    for second in range(1800):
        temp_c = low_c + 15.0 * (1.0 + math.cos(2.0 * math.pi * second / 1800.0))
        tracker.feed(begin_s + second, temp_c, floor_w + leakage.power_w(temp_c))


def work(lab: Lab, tracker: LeakageTracker, length_s: float, dice: random.Random) -> None:
    """Requests and pauses of some tens of seconds each; idle seconds are fed."""
    end_s = lab.time_s + length_s
    while lab.time_s < end_s:
        for _ in lab.seconds(dice.randint(20, 120), busy_cores=8.0):
            pass
        for second, idle in enumerate(lab.seconds(dice.randint(10, 90))):
            if second >= SETTLE_S:
                tracker.feed(lab.time_s, idle.temp_c, idle.power_w)


@pytest.mark.parametrize("drift_w", [0.0, 0.05])
@pytest.mark.parametrize("name", ["raspberry-pi-5", "jetson-orin-nano-8gb"])
def test_a_board_at_work_tells_its_leakage(name: str, drift_w: float) -> None:
    lab, tracker, dice = Lab(name, 3), LeakageTracker(), random.Random(1)
    for _ in range(4):
        work(lab, tracker, HOUR_S / 6, dice)
        lab.extra_w += drift_w / 6
    assert isinstance(tracker.refit(), LeakageFit), tracker.rejection
    assert tracker.fit is not None
    assert tracker.fit.leakage.doubling_c == pytest.approx(lab.truth.doubling_c, rel=0.2)
    assert tracker.fit.leakage.reference_w == pytest.approx(lab.truth.reference_w, rel=0.25)


def test_it_forgets() -> None:
    tracker = LeakageTracker()
    sweep(tracker, Leakage(0.6, 15.0), 0.0, 3.0)
    tracker.refit()
    sweep(tracker, Leakage(0.4, 25.0), 2 * HOUR_S, 5.0)
    found = tracker.refit()
    assert isinstance(found, LeakageFit)
    assert found.leakage.doubling_c == pytest.approx(25.0, rel=0.02)
    assert found.floor_w == pytest.approx(5.0, abs=0.05)


def test_what_other_programs_add_slowly_is_told_apart() -> None:
    tracker, truth = LeakageTracker(), Leakage(0.5, 20.0)
    for second in range(3000):
        temp_c = 40.0 + 15.0 * (1.0 + math.cos(second / 150.0))
        tracker.feed(second, temp_c, 3.0 + 0.2 * second / HOUR_S + truth.power_w(temp_c))
    fit = tracker.refit()
    assert isinstance(fit, LeakageFit)
    assert fit.leakage.doubling_c == pytest.approx(20.0, rel=0.02)
    assert fit.floor_w == pytest.approx(3.0 + 0.2 * 2999 / HOUR_S, abs=0.02)  # that of now


def test_a_rejection_leaves_the_last_fit_and_says_why() -> None:
    tracker = LeakageTracker()
    assert isinstance(tracker.refit(), Rejected)
    assert tracker.fit is None
    assert tracker.rejection is not None
    sweep(tracker, Leakage(0.6), 0.0, 3.0)
    tracker.refit()
    before = tracker.fit
    assert before is not None
    assert tracker.rejection is None
    for second in range(60):
        tracker.feed(3 * HOUR_S + second, 45.0, 3.5)
    assert isinstance(tracker.refit(), Rejected)
    assert tracker.fit is before
    assert "K" in (tracker.rejection or "")


def test_a_fit_that_tells_no_more_than_theory_is_rejected() -> None:
    tracker, truth, dice = LeakageTracker(), Leakage(0.3, 20.0), random.Random(9)
    for second in range(0, 3000, 11):
        temp_c = 45.0 + 8.0 * (1.0 + math.cos(second / 150.0))
        tracker.feed(second, temp_c, 3.0 + truth.power_w(temp_c) + dice.gauss(0.0, 0.03))
    found = tracker.refit()
    assert isinstance(found, Rejected)
    assert "may double" in found.reason


def test_it_stays_small() -> None:
    tracker, dice = LeakageTracker(), random.Random(6)
    for second in range(40_000):
        tracker.feed(float(second), dice.uniform(30.0, 90.0), dice.uniform(1.0, 9.0))
    assert sum(map(len, tracker._visits.values())) <= 6 * 3 * 120


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 1e9), st.floats(), st.floats(), st.floats()), max_size=60))
def test_nothing_that_is_fed_raises(readings: list[tuple[float, float, float, float]]) -> None:
    tracker = LeakageTracker()
    for reading in readings:
        tracker.feed(*reading)
    assert isinstance(tracker.refit(), LeakageFit | Rejected)
