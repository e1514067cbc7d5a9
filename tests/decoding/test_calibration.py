"""Confidences become probabilities of acceptance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.decoding.experience import AcceptanceCalibration

confidences = st.floats(0.0, 1.0)


@given(confidences)
def test_before_anything_is_known_a_confidence_is_roughly_taken_at_its_word(value: float) -> None:
    assert AcceptanceCalibration().acceptance(value) == pytest.approx(value, abs=0.11)


@given(confidences, st.floats(0.0, 1.0), st.integers(0, 1000))
def test_what_is_seen_is_believed(value: float, truth: float, seed: int) -> None:
    calibration = AcceptanceCalibration()
    for accepted in np.random.default_rng(seed).random(1000) < truth:
        calibration.verified(value, accepted=bool(accepted))
    assert calibration.acceptance(value) == pytest.approx(truth, abs=0.2)  # of about 100: 4 sigma


@given(st.lists(st.tuples(confidences, st.booleans()), max_size=200))
def test_acceptances_and_shares_are_probabilities(seen: list[tuple[float, bool]]) -> None:
    calibration = AcceptanceCalibration()
    for value, accepted in seen:
        calibration.guessed(value)
        calibration.verified(value, accepted=accepted)
    assert ((calibration.acceptances >= 0) & (calibration.acceptances <= 1)).all()
    assert calibration.shares.sum() == pytest.approx(1.0)


def test_one_bin_does_not_teach_another() -> None:
    calibration = AcceptanceCalibration()
    for _ in range(200):
        calibration.verified(0.999, accepted=False)
    assert calibration.acceptance(0.999) < 0.05
    assert calibration.acceptance(0.97) > 0.9
