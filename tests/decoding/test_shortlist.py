"""The draw agrees with a slow and obvious float64 sampler: same candidates, same probabilities.

The draw is a function of a number u, so nothing here is left to chance: the reference gives every
candidate an interval of [0, 1), and both ends of each interval must pick that candidate.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge_rt.core.decoding import Sampling
from edge_rt.decoding.distribution import Logits
from edge_rt.decoding.draws import draw

EDGE = 2e-6  # what float32 exponentials may move a boundary by


def reference(logits: Logits, sampling: Sampling) -> list[tuple[int, float]]:
    """(token, probability) of every candidate in order, straight from the definitions."""
    order = sorted(range(len(logits)), key=lambda i: (-float(logits[i]), i))
    peak = float(logits[order[0]])
    weights = [math.exp((float(logits[i]) - peak) / sampling.temperature) for i in order]
    if sampling.top_k > 0:
        weights = weights[: sampling.top_k]
    probabilities = [w / math.fsum(weights) for w in weights]
    if sampling.top_p < 1.0:
        before = [math.fsum(probabilities[:n]) for n in range(len(probabilities))]
        assume(all(abs(b - sampling.top_p) > EDGE for b in before))
        probabilities = [
            p for p, b in zip(probabilities, before, strict=True) if b < sampling.top_p or b == 0
        ]
    if sampling.min_p > 0.0:
        least = sampling.min_p * probabilities[0]
        assume(all(abs(p / least - 1) > EDGE or sampling.min_p == 1 for p in probabilities))
        probabilities = [p for p in probabilities if p >= least]
    total = math.fsum(probabilities)
    return [(i, p / total) for i, p in zip(order, probabilities, strict=False) if p > 0]


def assert_draws_match(logits: Logits, sampling: Sampling) -> None:
    peak, low = float(logits.max()), 0.0
    for token, probability in reference(logits, sampling):
        high = low + probability
        if probability > 3 * EDGE:
            assert draw(logits, sampling, peak, max(low + EDGE, 0.0)) == token
            assert draw(logits, sampling, peak, min(high - EDGE, 1 - 2.0**-53)) == token
        low = high
    assert low == pytest.approx(1.0, abs=1e-9)


samplings = st.builds(
    Sampling,
    temperature=st.sampled_from([0.05, 0.5, 0.7, 1.0, 1.3, 2.0, 50.0]),
    top_k=st.sampled_from([0, 0, 1, 2, 5, 20, 1000]),
    top_p=st.sampled_from([1.0, 1.0]) | st.floats(0.0, 1.0),
    min_p=st.sampled_from([0.0, 0.0]) | st.floats(0.001, 1.0),
)


@settings(max_examples=4 * settings().max_examples)
@given(st.integers(1, 60), st.integers(0, 2**32), st.sampled_from([0.1, 1.0, 3.0, 10.0]), samplings)
def test_small_vocabularies(vocab: int, seed: int, scale: float, sampling: Sampling) -> None:
    logits = np.random.default_rng(seed).normal(0, scale, vocab).astype(np.float32)
    assert_draws_match(logits, sampling)


@given(st.integers(2, 30), st.integers(0, 2**32), samplings)
def test_ties_and_forbidden_tokens(vocab: int, seed: int, sampling: Sampling) -> None:
    pool = np.array([-np.inf, -1.0, 0.0, 0.5, 2.0], np.float32)
    logits = np.random.default_rng(seed).choice(pool, vocab)
    assume(np.isfinite(logits).any())
    assert_draws_match(logits, sampling)


@pytest.mark.parametrize("scale", [0.01, 1.0, 4.0])
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=0.7, top_k=40, top_p=0.95, min_p=0.02),
        Sampling(top_k=1500, top_p=0.9),
        Sampling(top_p=0.3),
        Sampling(top_p=0.97, min_p=0.001),
        Sampling(temperature=1.4, min_p=0.2),
    ],
)
def test_a_large_vocabulary(scale: float, sampling: Sampling) -> None:
    """Here the bounds of the module's head do their work, on peaked and on flat logits."""
    logits = np.random.default_rng(11).normal(0, scale, 6000).astype(np.float32)
    order = np.lexsort((np.arange(6000), -logits))
    weights = np.exp((logits[order].astype(np.float64) - logits.max()) / sampling.temperature)
    weights = weights[: sampling.top_k or None]
    share = weights / weights.sum()
    count = int((np.cumsum(share) - share < sampling.top_p).sum())
    count = min(count, int((weights >= sampling.min_p).sum()))
    sums = np.cumsum(share[:count]) / share[:count].sum()
    peak = float(logits.max())
    for u in np.random.default_rng(12).random(60):
        place = int(np.searchsorted(sums, u, side="right"))
        if min(abs(sums[place] - u), abs(u - (sums[place - 1] if place else 0))) > 1e-7:
            assert draw(logits, sampling, peak, float(u)) == order[place]
    last = draw(logits, sampling, peak, 1 - 2.0**-53)
    assert sums[order[:count].tolist().index(last)] > 1 - 1e-6


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(top_p=0.0),
        Sampling(top_p=-1.0),
        Sampling(min_p=1.0),
        Sampling(min_p=7.0),
        Sampling(top_k=1),
        Sampling(temperature=1e-300),
    ],
)
def test_one_token_is_always_left(sampling: Sampling) -> None:
    logits = np.array([0.0, 3.0, 2.9, -np.inf], np.float32)
    assert {draw(logits, sampling, 3.0, u) for u in (0.0, 0.5, 0.999999)} == {1}


@pytest.mark.parametrize(
    "sampling",
    [Sampling(top_k=4), Sampling(top_k=999), Sampling(top_k=-1), Sampling(top_p=1.0, min_p=0.0)],
)
def test_filters_that_keep_everything_change_nothing(sampling: Sampling) -> None:
    logits = np.array([0.0, 3.0, 2.9, 1.0], np.float32)
    for u in np.linspace(0, 0.9999, 50):
        assert draw(logits, sampling, 3.0, u) == draw(logits, Sampling(), 3.0, u)


def test_equal_logits_are_drawn_in_the_order_of_their_ids() -> None:
    logits = np.zeros(4, np.float32)
    assert [draw(logits, Sampling(), 0.0, u) for u in (0.1, 0.3, 0.6, 0.9)] == [0, 1, 2, 3]
    assert [draw(logits, Sampling(), 0.0, u) for u in (0.0, 0.25, 0.5, 0.75)] == [0, 1, 2, 3]
    assert [draw(logits, Sampling(top_k=2), 0.0, u) for u in (0.1, 0.4, 0.6, 0.9)] == [0, 0, 1, 1]
    assert {draw(logits, Sampling(min_p=1.0), 0.0, u) for u in (0.1, 0.3, 0.6, 0.9)} == {0, 1, 2, 3}


def test_extreme_temperatures_and_logits_stay_finite() -> None:
    logits = np.array([-3e38, 1.0, 0.5, -np.inf], np.float32)
    for temperature in (1e-300, 1e-6, 1e6, 1e300):
        for u in (0.0, 0.5, 1 - 2.0**-53):
            assert draw(logits, Sampling(temperature=temperature), 1.0, u) in {0, 1, 2}
