"""A drift is found beneath a curve, and not where there is none."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_rt.thermal.drift import drift_w_per_s


def visits(drift: float, noise_w: float, dice: random.Random) -> list[list[tuple[float, float]]]:
    """Forty temperatures, five times each, hotter ones later."""
    return [
        [
            (time_s, 2.0 + 0.03 * key + drift * time_s + dice.gauss(0.0, noise_w))
            for time_s in (600.0 * n + 10.0 * key for n in range(5))
        ]
        for key in range(40)
    ]


@settings(max_examples=30, deadline=None)
@given(st.floats(-1e-4, 1e-4), st.integers(0, 99))
def test_a_drift_is_found_whatever_the_curve(drift: float, seed: int) -> None:
    found = drift_w_per_s(visits(drift, 1e-6, random.Random(seed)))
    assert found == pytest.approx(drift, abs=1e-8)


def test_noise_is_seldom_taken_for_a_drift() -> None:
    dice = random.Random(2)
    found = [drift_w_per_s(visits(0.0, 0.02, dice)) for _ in range(50)]
    assert sum(each != 0.0 for each in found) <= 3


def test_bursts_hardly_disturb() -> None:
    dice = random.Random(4)
    groups = visits(2e-5, 0.002, dice)
    loud = [[(t, p + (1.0 if dice.random() < 0.05 else 0.0)) for t, p in g] for g in groups]
    assert drift_w_per_s(loud) == pytest.approx(2e-5, rel=0.15)


def test_nothing_to_compare_is_no_drift() -> None:
    assert drift_w_per_s([]) == 0.0
    assert drift_w_per_s([[(1.0, 2.0)], [(50.0, 3.0)]]) == 0.0
    assert drift_w_per_s([[(1.0, 2.0), (1.0, 3.0), (1.0, 4.0)]]) == 0.0
