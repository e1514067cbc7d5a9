"""What is kept of a draft: exactly what the target would write, or what it finds likely enough."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.decoding import Sampling
from edge_rt.decoding.distribution import Logits
from edge_rt.decoding.drafts import Exact, Relaxed, VerifiedToken
from edge_rt.decoding.sampler import Sampler

VOCAB, LENGTH = 12, 30
SAMPLINGS = [
    Sampling(temperature=0.0),
    Sampling(temperature=1.0),
    Sampling(
        temperature=1.3,
        top_k=8,
        top_p=0.9,
        repeat_penalty=1.3,
        presence_penalty=0.5,
        logit_bias={3: 1.0},
        top_logprobs=2,
    ),
]


def logits_after(seed: int, text: list[int]) -> Logits:
    """A toy model: its logits depend on the last two tokens."""
    key = [seed, *text[-2:]]
    return np.random.default_rng(key).normal(0, 1.5, VOCAB).astype(np.float32)


def alone(seed: int, sampler: Sampler) -> list[int]:
    text: list[int] = []
    for _ in range(LENGTH):
        text.append(sampler.sample(logits_after(seed, text)).token)
    return text


def drafted(
    rule: Exact | Relaxed, seed: int, sampler: Sampler, small: int, most: int
) -> list[VerifiedToken]:
    """An answer of the toy model `seed`, drafted by the toy model `small`."""
    text: list[int] = []
    kept: list[VerifiedToken] = []
    while len(text) < LENGTH:
        draft: list[int] = []
        for _ in range(most):
            draft.append(sampler.guess(logits_after(small, text + draft), draft))
        rows = [logits_after(seed, text + draft[:end]) for end in range(most + 1)]
        for one in rule.follow(draft, sampler, rows):
            kept.append(one)
            text.append(one.choice.token)
            if len(text) == LENGTH:
                break
    return kept


@pytest.mark.parametrize("sampling", SAMPLINGS)
@given(st.integers(0, 2**32), st.integers(0, 2**32), st.integers(0, 6))
def test_exact_answers_are_the_targets_own_token_for_token(
    sampling: Sampling, seed: int, small: int, most: int
) -> None:
    kept = drafted(Exact(), seed, Sampler(sampling, seed=seed, prompt=[1, 2]), small, most)
    undrafted = alone(seed, Sampler(sampling, seed=seed, prompt=[1, 2]))
    assert [one.choice.token for one in kept] == undrafted


@pytest.mark.parametrize("sampling", SAMPLINGS[:2])
@given(st.integers(0, 2**32))
def test_a_draft_by_the_target_itself_is_kept_whole(sampling: Sampling, seed: int) -> None:
    """Common random numbers: above temperature 0 too."""
    kept = drafted(Exact(), seed, Sampler(sampling, seed=seed), seed, 4)
    assert [one.drafted for one in kept] == [at % 5 < 4 for at in range(LENGTH)]


def test_guesses_agree_more_often_than_independent_draws_would() -> None:
    sampling, same, chance = Sampling(), 0, 0.0
    for place in range(2000):
        near = logits_after(1, [place]) + 0.2 * logits_after(2, [place])
        far = logits_after(1, [place])
        sampler = Sampler(sampling, seed=place)
        same += sampler.guess(near) == sampler.guess(far)
        p, q = (np.exp(x) / np.exp(x).sum() for x in (near, far))
        chance += float(p @ q)
    assert same > 2.0 * chance


@pytest.mark.parametrize("rule", [Exact(), Relaxed(0.5)])
def test_nothing_is_recorded_before_it_is_asked_for(rule: Exact | Relaxed) -> None:
    sampler, twin = (Sampler(Sampling(), seed=5) for _ in range(2))
    draft = [twin.guess(logits_after(0, [at]), [0] * at) for at in range(4)]
    rows = [logits_after(0, [at]) for at in range(5)]
    following = rule.follow(draft, sampler, rows)
    first = next(following)
    twin.feed([first.choice.token])
    again = logits_after(7, [])
    assert sampler.guess(again) == twin.guess(again)


def test_a_draft_ends_at_its_first_token_that_is_not_kept() -> None:
    rows = [logits_after(0, [at]) for at in range(4)]
    best = [int(row.argmax()) for row in rows]
    draft = [best[0], (best[1] + 1) % VOCAB, best[2]]
    kept = list(Exact().follow(draft, Sampler(Sampling(temperature=0.0), seed=0), rows))
    assert [(one.choice.token, one.drafted) for one in kept] == [(best[0], True), (best[1], False)]


@given(st.integers(0, 2**32), st.floats(0.0, 4.0))
def test_relaxed_keeps_what_is_likely_enough(seed: int, threshold: float) -> None:
    sampler = Sampler(Sampling(temperature=0.0), seed=seed)
    rows = [logits_after(seed, [at]) for at in range(6)]
    draft = [at % VOCAB for at in range(5)]
    kept = list(Relaxed(threshold).follow(draft, sampler, rows))
    p = [np.exp(row.astype(np.float64)) / np.exp(row.astype(np.float64)).sum() for row in rows]
    for row, one in enumerate(kept[:-1]):
        assert one.drafted
        assert one.choice.token == draft[row]
        assert p[row][draft[row]] >= math.exp(-threshold) * p[row].max() * (1 - 1e-5)
    last = len(kept) - 1
    assert kept[-1].choice.token == rows[last].argmax()
    assert not kept[-1].drafted
    if last < len(draft):
        assert p[last][draft[last]] < math.exp(-threshold) * p[last].max() * (1 + 1e-5)


@given(st.integers(0, 2**32), st.integers(0, 2**32), st.integers(1, 5))
def test_with_no_leeway_greedy_answers_are_the_targets(seed: int, small: int, most: int) -> None:
    greedy = Sampling(temperature=0.0)
    kept = drafted(Relaxed(0.0), seed, Sampler(greedy, seed=0), small, most)
    assert [one.choice.token for one in kept] == alone(seed, Sampler(greedy, seed=0))


def test_what_a_request_forbids_is_not_kept_however_relaxed() -> None:
    sampling = Sampling(temperature=0.0, logit_bias={4: -100.0})
    kept = list(Relaxed(5.0).follow([4], Sampler(sampling, seed=0), zeros(2)))
    assert [(one.choice.token, one.drafted) for one in kept] == [(0, False)]


def test_a_kept_token_is_reported_as_the_target_sees_it() -> None:
    sampling = Sampling(temperature=0.0, top_logprobs=1)
    first = next(Relaxed(1.0).follow([2], Sampler(sampling, seed=0), zeros(2)))
    assert first.choice.logprob == pytest.approx(-math.log(VOCAB), abs=1e-6)
    assert len(first.choice.top) == 1


@pytest.mark.parametrize("share", [0.25, 0.4])
def test_a_share_of_the_tokens_can_be_asked_for(share: float) -> None:
    rule, own, tokens = Relaxed(1.2, share), 0, 0
    sampler = Sampler(Sampling(temperature=0.0), seed=0)
    for turn in range(300):
        rows = [logits_after(turn, [at]) for at in range(7)]
        draft = [int(np.argsort(row)[-1 - at % 3]) for at, row in enumerate(rows[:-1])]
        kept = list(rule.follow(draft, sampler, rows))
        own, tokens = own + sum(not one.drafted for one in kept), tokens + len(kept)
    assert own / tokens == pytest.approx(share, abs=0.03)


@given(st.integers(0, 2**32), st.none() | st.floats(0.0, 1.0), st.integers(0, 5))
def test_who_is_asked_the_same_again_says_the_same_again(
    seed: int, share: float | None, most: int
) -> None:
    greedy = Sampling(temperature=0.0)
    rule, again = Relaxed(1.2, share), Relaxed(1.2, share)
    kept = drafted(rule, seed, Sampler(greedy, seed=0), seed + 1, most)
    assert len(kept) == LENGTH
    for one in kept:
        assert one.seen is not None
        assert again.keeps(one.seen) == one.drafted
    further = [drafted(each, seed, Sampler(greedy, seed=0), seed + 2, 4) for each in (rule, again)]
    assert further[0] == further[1]


def test_what_the_target_holds_to_be_impossible_is_never_kept() -> None:
    rule = Relaxed(5.0, share=0.0)
    assert not any(rule.keeps(math.inf) for _ in range(100))
    assert rule.keeps(1.0)


def zeros(count: int) -> Iterator[Logits]:
    return iter([np.zeros(VOCAB, np.float32)] * count)
