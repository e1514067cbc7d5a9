"""What is kept of a draft: exactly what the target would write."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.decoding import Gating, Sampling
from edge_rt.decoding.distribution import Logits
from edge_rt.decoding.drafts import Exact, VerifiedToken
from edge_rt.decoding.entropy_gate import EntropyGate
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


def drafted(rule: Exact, seed: int, sampler: Sampler, small: int, most: int) -> list[VerifiedToken]:
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


@pytest.mark.parametrize("rule", [Exact(), EntropyGate(Gating())])
def test_nothing_is_recorded_before_it_is_asked_for(rule: Exact | EntropyGate) -> None:
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
