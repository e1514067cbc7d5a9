"""Measures of a distribution, as their definitions have them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.decoding.distribution import Logits, LogitsView


def entropy(logits: np.ndarray) -> float:
    shifted = logits.astype(np.float64) - float(logits.max())
    p = np.exp(shifted) / np.exp(shifted).sum()
    return float(-(p[p > 0] * np.log(p[p > 0])).sum())


@given(st.integers(0, 2**32), st.sampled_from([3, 100, 50_000]), st.floats(0.1, 30.0))
def test_measures_follow_their_definitions(seed: int, vocab: int, spread: float) -> None:
    logits = np.random.default_rng(seed).normal(5, spread, vocab).astype(np.float32)
    logits[::3] = -np.inf
    logits.flags.writeable = False
    view = LogitsView(logits)
    assert view.entropy == pytest.approx(entropy(logits), rel=1e-4, abs=1e-5)
    likeliest = 1.0 / np.exp(logits.astype(np.float64) - logits.max()).sum()
    assert view.confidence == pytest.approx(likeliest, rel=1e-5)


@pytest.mark.parametrize("vocab", [1, 7, 49_152, 151_936])
def test_equal_logits_are_as_unsure_as_can_be(vocab: int) -> None:
    view = LogitsView(np.full(vocab, -3.0, np.float32))
    assert view.entropy == pytest.approx(math.log(vocab), rel=1e-6, abs=1e-6)


def test_one_logit_above_all_is_certainty() -> None:
    logits = np.full(1000, -np.inf, np.float32)
    logits[3] = 2.0
    view = LogitsView(logits)
    assert (view.entropy, view.confidence) == (0.0, 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_distribution_is_left_to_the_sampler(bad: float) -> None:
    logits: Logits = np.full(50, -np.inf if bad == -math.inf else 0.0, np.float32)
    logits[7] = bad
    view = LogitsView(logits)
    assert (view.entropy, view.confidence) == (0.0, 1.0)
