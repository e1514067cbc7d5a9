"""Bias and penalties change the logits they name and no others."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.decoding import Sampling
from edge_rt.core.errors import RequestError
from edge_rt.decoding.adjuster import Adjuster

VOCAB = 12
tokens = st.lists(st.integers(0, VOCAB - 1), max_size=30)
samplings = st.builds(
    Sampling,
    repeat_penalty=st.sampled_from([1.0, 1.0, 1.3, 0.8]),
    penalty_last_n=st.sampled_from([-1, 0, 1, 4, 64]),
    presence_penalty=st.sampled_from([0.0, 0.5, -0.5]),
    frequency_penalty=st.sampled_from([0.0, 0.25, -0.25]),
    logit_bias=st.dictionaries(st.integers(0, VOCAB - 1), st.sampled_from([-100.0, 2.0, 100.0])),
)


def reference(
    logits: np.ndarray, sampling: Sampling, prompt: list[int], answer: list[int]
) -> list[float]:
    out = [float(x) for x in logits]
    for token, bias in sampling.logit_bias.items():
        out[token] += bias
    everything = prompt + answer
    size = len(everything) if sampling.penalty_last_n < 0 else sampling.penalty_last_n
    for token in set(everything[max(len(everything) - size, 0) :]):
        repeat = sampling.repeat_penalty
        out[token] = out[token] / repeat if out[token] > 0 else out[token] * repeat
    for token, count in Counter(answer).items():
        out[token] -= sampling.presence_penalty + count * sampling.frequency_penalty
    return out


@given(tokens, tokens, samplings, st.integers(0, 2**32))
def test_adjusted_logits_follow_the_definitions(
    prompt: list[int], answer: list[int], sampling: Sampling, seed: int
) -> None:
    logits = np.random.default_rng(seed).normal(0, 3, VOCAB).astype(np.float32)
    logits.flags.writeable = False
    adjuster = Adjuster(sampling, prompt)
    for done, token in enumerate([*answer, 0]):
        expected = reference(logits, sampling, prompt, answer[:done])
        assert adjuster.apply(logits) == pytest.approx(expected, rel=1e-5, abs=1e-4)
        adjuster.record(token)


def test_nothing_to_change_means_no_copy() -> None:
    logits = np.zeros(VOCAB, np.float32)
    adjuster = Adjuster(Sampling(), [1, 2, 3])
    adjuster.record(4)
    assert adjuster.apply(logits) is logits


def test_a_bias_outside_the_vocabulary_is_the_requests_fault() -> None:
    adjuster = Adjuster(Sampling(logit_bias={VOCAB: 1.0}), ())
    with pytest.raises(RequestError, match=f"token {VOCAB}.*0 to {VOCAB - 1}") as caught:
        adjuster.apply(np.zeros(VOCAB, np.float32))
    assert caught.value.param == "logit_bias"
