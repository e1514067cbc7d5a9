"""The small model writes while it is sure, and the large one keeps what it finds likely enough."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.decoding import Gating, Sampling
from edge_rt.decoding.distribution import Logits
from edge_rt.decoding.drafts import VerifiedToken, confidence
from edge_rt.decoding.entropy_gate import LIKELY, NONE, EntropyGate
from edge_rt.decoding.sampler import Sampler

VOCAB = 12
GREEDY = Sampling(temperature=0.0)


def gate(threshold: float | None = None, share: float | None = None, **more: int) -> EntropyGate:
    return EntropyGate(Gating(threshold, share, **more))


def drafted(by: EntropyGate, bits: Sequence[float]) -> int:
    """Return how many tokens of those entropies the small model writes."""
    by.begins()
    return next((at for at, one in enumerate(bits) if not by.adds([], one)), len(bits))


def logits_after(*seed: int) -> Logits:
    return np.random.default_rng(seed).normal(0, 1.5, VOCAB).astype(np.float32)


def zeros(count: int) -> Iterator[Logits]:
    return iter([np.zeros(VOCAB, np.float32)] * count)


def test_a_draft_goes_on_while_the_mean_of_the_last_entropies_is_low_enough() -> None:
    assert drafted(gate(1.0, window=1), [0.2, 0.9, 1.1, 0.1]) == 2
    assert drafted(gate(1.0, window=3), [0.2, 0.9, 1.1, 0.1]) == 4
    assert drafted(gate(1.0, window=2), [0.2, 0.9, 1.2, 0.1]) == 2
    assert drafted(gate(1.0, window=2), [1.1]) == 0


def test_what_followed_the_same_four_tokens_before_is_taken() -> None:
    assert gate().cut([confidence(4)] * 6) == 6
    assert gate().cut([confidence(3)] * 6) == 0
    assert gate().cut([]) == 0


def test_the_entropies_of_a_draft_do_not_count_for_the_next() -> None:
    one = gate(1.0, window=5)
    assert drafted(one, [0.9, 0.9, 3.0]) == 2
    assert drafted(one, [0.9, 0.9]) == 2


@given(st.integers(0, 2**32))
def test_what_is_likely_enough_is_kept_up_to_the_first_that_is_not(seed: int) -> None:
    rows = [logits_after(seed, at) for at in range(6)]
    draft = [at % VOCAB for at in range(5)]
    kept = list(gate().follow(draft, Sampler(GREEDY, seed=seed), rows))
    p = [np.exp(row.astype(np.float64)) / np.exp(row.astype(np.float64)).sum() for row in rows]
    for row, one in enumerate(kept[:-1]):
        assert one.drafted
        assert one.choice.token == draft[row]
        assert p[row][draft[row]] >= math.exp(-LIKELY) * p[row].max() * (1 - 1e-5)
    last = len(kept) - 1
    assert (kept[-1].choice.token, kept[-1].drafted) == (rows[last].argmax(), False)
    if last < len(draft):
        assert p[last][draft[last]] < math.exp(-LIKELY) * p[last].max() * (1 + 1e-5)


def test_what_a_request_forbids_is_not_kept() -> None:
    sampling = Sampling(temperature=0.0, logit_bias={4: -100.0})
    kept = list(gate().follow([4], Sampler(sampling, seed=0), zeros(2)))
    assert [(one.choice.token, one.drafted) for one in kept] == [(0, False)]


def test_a_kept_token_is_reported_as_the_large_model_sees_it() -> None:
    sampling = Sampling(temperature=0.0, top_logprobs=1)
    first = next(gate().follow([2], Sampler(sampling, seed=0), zeros(2)))
    assert first.choice.logprob == pytest.approx(-math.log(VOCAB), abs=1e-6)
    assert len(first.choice.top) == 1


def answer(one: EntropyGate, seed: int, tokens: int = 1200) -> list[VerifiedToken]:
    """Return an answer whose entropies spread exponentially, a tenth of it found unlikely."""
    random, kept = np.random.default_rng(seed), list[VerifiedToken]()
    sampler = Sampler(GREEDY, seed=0)
    while len(kept) < tokens:
        length = drafted(one, random.exponential(0.8, 15).tolist())
        rows = [logits_after(seed, len(kept), at) for at in range(length + 1)]
        worst = random.random(length) < 0.1
        guesses = zip(rows, worst, strict=False)
        draft = [int(row.argmin() if bad else row.argmax()) for row, bad in guesses]
        kept += one.follow(draft, sampler, rows)
    return kept


@pytest.mark.parametrize("begin", [None, 0.1, 5.0])
@pytest.mark.parametrize("share", [0.2, 0.4, 0.7])
def test_the_share_that_was_asked_for_is_reached_within_a_few_points(
    share: float, begin: float | None
) -> None:
    kept = answer(gate(begin, share), 3)
    own = sum(not one.drafted for one in kept) / len(kept)
    assert own == pytest.approx(share, abs=0.03)


def test_a_threshold_that_was_learnt_for_a_share_is_where_it_begins() -> None:
    assert gate(0.6, 0.3).threshold == pytest.approx(0.6, rel=0.2)


@given(st.integers(0, 2**32), st.none() | st.floats(0.0625, 1.0))
def test_who_is_told_the_same_again_goes_on_the_same(seed: int, share: float | None) -> None:
    first, again = gate(0.8, share), gate(0.8, share)
    for one in answer(first, seed, 40):
        assert one.seen is not None
        again.note(one.seen)
    assert again.threshold == first.threshold
    assert answer(first, seed + 1, 20) == answer(again, seed + 1, 20)


def test_a_token_that_the_small_model_was_not_asked_for_moves_no_entropies() -> None:
    one, (kept,) = gate(0.8, 0.5), gate(0.8, 0.5).follow([], Sampler(GREEDY, seed=0), zeros(1))
    assert kept.seen == -NONE
    one.note(-NONE)
    assert one.threshold == gate(0.8, 0.5).threshold  # a single token is within the band
