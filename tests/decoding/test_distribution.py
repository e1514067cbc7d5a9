"""The head of the order is exact whatever the size of the vocabulary and the ties in it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_rt.decoding.distribution import Logits, mass, moments, ranked, top_floor

values = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, -0.0, 1.0, -1.0, -math.inf]
)
small = hnp.arrays(np.float32, st.integers(1, 40), elements=values)


def in_order(logits: Logits) -> list[int]:
    return sorted(range(len(logits)), key=lambda i: (-float(logits[i]), i))


def tied(vocab: int, seed: int) -> Logits:
    return np.round(np.random.default_rng(seed).normal(0, 2, vocab), 1).astype(np.float32)


@given(small, values)
def test_ranked_is_every_logit_from_the_floor_up_in_order(logits: Logits, floor: float) -> None:
    lowest = np.finfo(np.float32).min
    bound = np.nextafter(np.float32(max(floor, lowest)), lowest)  # the promised rounding
    expected = [i for i in in_order(logits) if logits[i] >= bound and logits[i] > -math.inf]
    assert ranked(logits, floor).tolist() == expected


@given(small, st.integers(1, 60))
def test_at_least_k_logits_reach_the_top_floor(logits: Logits, k: int) -> None:
    finite = int((logits > -math.inf).sum())
    assert len(ranked(logits, top_floor(logits, k))) >= min(k, finite)


@pytest.mark.parametrize("vocab", [1023, 2048, 5000, 49_152])
@pytest.mark.parametrize("k", [1, 2, 40, 700, 2000])
def test_the_k_best_of_a_large_vocabulary(vocab: int, k: int) -> None:
    logits = tied(vocab, vocab + k)
    head = ranked(logits, top_floor(logits, k))
    assert head[:k].tolist() == in_order(logits)[:k]


def test_the_top_floor_leaves_little_more_than_k_of_a_large_vocabulary() -> None:
    logits = np.random.default_rng(3).normal(0, 2, 49_152).astype(np.float32)
    assert len(ranked(logits, top_floor(logits, 40))) < 60


@pytest.mark.parametrize("vocab", [1, 10, 16_384, 16_385, 49_152])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_mass_is_the_sum_of_the_exponentials(vocab: int, temperature: float) -> None:
    logits = tied(vocab, 5)
    peak = float(logits.max())
    expected = np.exp((logits.astype(np.float64) - peak) / temperature).sum()
    assert mass(logits, peak, temperature) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("vocab", [1, 10, 16_384, 16_385, 49_152])
def test_moments_are_the_mass_and_its_mean(vocab: int) -> None:
    logits = tied(vocab, 5)
    logits[1::4] = -np.inf
    peak = float(logits.max())
    shifted = logits[np.isfinite(logits)].astype(np.float64) - peak
    total, weighted = moments(logits, peak)
    assert total == pytest.approx(np.exp(shifted).sum(), rel=1e-6)
    assert weighted == pytest.approx((np.exp(shifted) * shifted).sum(), rel=1e-6)
