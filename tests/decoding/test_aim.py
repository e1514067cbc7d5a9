"""A threshold that goes where the share asked for is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.decoding.entropy_gate import Aim


def test_without_a_share_the_threshold_stays() -> None:
    aim = Aim(0.7, None)
    for value in range(100):
        aim.saw(float(value))
        aim.took(large=True)
    assert aim.threshold == 0.7


def test_at_the_start_more_is_asked_of_a_lower_threshold() -> None:
    starts = [Aim(1.0, share).threshold for share in (0.05, 0.2, 0.37, 0.6, 0.95)]
    assert starts == sorted(starts, reverse=True)
    assert starts[2] == pytest.approx(1.0, abs=0.15)  # e^-1 of an exponential lie above its mean


@given(st.integers(0, 1000), st.floats(0.05, 0.95))
def test_it_becomes_the_quantile_of_what_is_seen(seed: int, share: float) -> None:
    rng, aim = np.random.default_rng(seed), Aim(1.0, share)
    values = rng.lognormal(-1.0, 1.5, 2000)
    large = 0
    for value in values:
        above = bool(value > aim.threshold)
        aim.saw(float(value))
        aim.took(large=above)
        large += above
    assert large / 2000 == pytest.approx(share, abs=0.035)
    low, high = np.quantile(values, [max(0.0, 0.7 - share), min(1.0, 1.3 - share)])
    assert low <= aim.threshold <= high


@given(st.lists(st.tuples(st.floats(0.0, 9.0), st.booleans()), max_size=700), st.floats(0.0, 1.0))
def test_it_never_goes_far_beyond_what_was_seen(
    steps: list[tuple[float, bool]], share: float
) -> None:
    aim = Aim(1.0, share)
    for value, large in steps:
        aim.saw(value)
        aim.took(large=large)
        assert 0.0 <= aim.threshold <= 9.0 * 6


def test_a_surplus_is_made_up_for_and_then_forgotten() -> None:
    aim, rng = Aim(1.0, 0.2), np.random.default_rng(1)
    for _ in range(1000):  # whatever it says, the large model writes
        aim.saw(float(rng.exponential()))
        aim.took(large=True)
    small = 0
    for _ in range(400):
        value = float(rng.exponential())
        large = value > aim.threshold
        aim.saw(value)
        aim.took(large=large)
        small += not large
    assert 0.8 * 400 < small < 0.8 * 400 + 64 + 10
