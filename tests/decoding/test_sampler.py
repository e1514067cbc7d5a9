"""One sampler an answer: repeatable, resumable, independent of all others, and only a reader."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.decoding import Sampling
from edge_rt.core.errors import EngineError
from edge_rt.decoding.distribution import Logits
from edge_rt.decoding.sampler import Sampler

VOCAB = 50
FULL = Sampling(
    temperature=1.5,
    top_k=30,
    top_p=0.95,
    min_p=0.01,
    repeat_penalty=1.2,
    penalty_last_n=5,
    presence_penalty=0.3,
    frequency_penalty=0.2,
    logit_bias={3: 2.0, 4: -100.0},
    top_logprobs=2,
)


def steps(count: int, seed: int = 0, vocab: int = VOCAB) -> list[Logits]:
    made = np.random.default_rng(seed).normal(0, 2, (count, vocab)).astype(np.float32)
    made.flags.writeable = False
    return list(made)


def run(sampler: Sampler, logits: list[Logits]) -> list[int]:
    return [sampler.sample(row).token for row in logits]


@given(st.integers(0, 20), st.integers(0, 2**64 - 1))
def test_fed_tokens_continue_the_answer_as_if_never_interrupted(cut: int, seed: int) -> None:
    logits = steps(20)
    undisturbed = run(Sampler(FULL, seed=seed, prompt=[1, 2, 3]), logits)
    resumed = Sampler(FULL, seed=seed, prompt=[1, 2, 3])
    resumed.feed(undisturbed[:cut])
    assert run(resumed, logits[cut:]) == undisturbed[cut:]


def test_other_samplers_do_not_matter() -> None:
    logits = steps(30)
    alone = run(Sampler(FULL, seed=5), logits)
    one, two = Sampler(FULL, seed=5), Sampler(FULL, seed=6)
    interleaved = [(one.sample(row).token, two.sample(row).token) for row in logits]
    assert [a for a, _ in interleaved] == alone
    assert [b for _, b in interleaved] != alone


def test_the_logits_are_left_as_they_were() -> None:
    logits = steps(5)
    before = [row.copy() for row in logits]
    run(Sampler(FULL, seed=1), logits)
    assert all(np.array_equal(a, b) for a, b in zip(logits, before, strict=True))


def test_forks_share_the_prompt_and_nothing_else() -> None:
    logits = steps(30)
    parent = Sampler(FULL, seed=9, prompt=[7, 7, 8])
    parent.sample(logits[0])
    assert run(parent.fork(0), logits) == run(Sampler(FULL, seed=9, prompt=[7, 7, 8]), logits)
    answers = [run(parent.fork(index), logits) for index in range(4)]
    assert len({tuple(answer) for answer in answers}) == 4
    assert run(parent.fork(2), logits) == answers[2]


def test_drawn_frequencies_follow_the_softmax() -> None:
    logits = np.array([1.0, 0.0, -1.0, 2.0], np.float32)
    sampler, draws = Sampler(Sampling(), seed=3), 20_000
    seen = np.bincount([sampler.sample(logits).token for _ in range(draws)], minlength=4)
    expected = np.exp(logits) / np.exp(logits).sum() * draws
    assert ((seen - expected) ** 2 / expected).sum() < 21.1  # p = 0.0001 at 3 degrees of freedom


def test_temperature_zero_takes_the_largest_and_of_equal_ones_the_first() -> None:
    logits = np.array([0.0, 5.0, -0.0, 5.0], np.float32)
    for seed in range(5):
        assert Sampler(Sampling(temperature=0.0), seed=seed).sample(logits).token == 1


def test_bias_forbids_and_forces() -> None:
    logits = steps(40)
    for temperature in (0.0, 1.0):
        forced = Sampling(temperature=temperature, logit_bias={17: 100.0})
        assert set(run(Sampler(forced, seed=1), logits)) == {17}
        free = Sampler(Sampling(temperature=temperature), seed=1)
        often = max(run(free, [logits[0]] * 40), key=int)
        banned = Sampling(temperature=temperature, logit_bias={often: -100.0})
        assert often not in run(Sampler(banned, seed=1), [logits[0]] * 40)


def test_a_frequency_penalty_makes_greedy_decoding_move_on() -> None:
    logits = np.array([1.0, 0.9, 0.0], np.float32)
    sampler = Sampler(Sampling(temperature=0.0, frequency_penalty=0.5), seed=0, prompt=[1, 1, 1])
    assert run(sampler, [logits] * 5) == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.0), FULL])
def test_a_guess_is_what_will_be_drawn_there_and_changes_nothing(sampling: Sampling) -> None:
    logits = steps(20)
    undisturbed = run(Sampler(sampling, seed=11), logits)
    sampler = Sampler(sampling, seed=11)
    for row, token in zip(logits, undisturbed, strict=True):
        sampler.guess(row, [0] * 3)
        assert sampler.guess(row) == token
        assert sampler.sample(row).token == token


def test_a_guess_further_ahead_takes_the_number_of_its_place() -> None:
    logits = steps(20)
    undisturbed = run(Sampler(Sampling(), seed=11), logits)
    sampler = Sampler(Sampling(), seed=11)
    assert [sampler.guess(row, [0] * ahead) for ahead, row in enumerate(logits)] == undisturbed


def test_a_gap_is_a_ratio_of_probabilities_after_bias_and_penalties() -> None:
    logits = np.array([2.0, 1.0, -np.inf], np.float32)
    sampler = Sampler(Sampling(logit_bias={1: 0.5}, presence_penalty=1.0), seed=0)
    assert [sampler.gap(logits, token) for token in range(3)] == [0.0, 0.5, math.inf]
    sampler.take(logits, 0)
    assert [sampler.gap(logits, token) for token in range(3)] == [0.5, 0.0, math.inf]


def test_a_token_drawn_elsewhere_is_recorded_as_if_drawn_here() -> None:
    logits = steps(20)
    taken, fed = (Sampler(FULL, seed=3) for _ in range(2))
    choice = taken.take(logits[0], 17)
    fed.feed([17])
    assert choice.token == 17
    assert choice.logprob is not None
    assert run(taken, logits[1:]) == run(fed, logits[1:])


def test_logprobs_are_those_of_the_model_before_any_adjustment() -> None:
    logits = steps(1)[0]
    exact = logits.astype(np.float64) - np.log(np.exp(logits.astype(np.float64)).sum())
    choice = Sampler(FULL, seed=2).sample(logits)
    best = sorted(range(VOCAB), key=lambda i: (-logits[i], i))[:2]
    assert choice.logprob == pytest.approx(exact[choice.token], abs=1e-6)
    assert [token for token, _ in choice.top] == best
    assert [value for _, value in choice.top] == pytest.approx(exact[best], abs=1e-6)


@pytest.mark.parametrize(("asked", "length"), [(0, 0), (1, 1), (3, 3), (99, 3)])
def test_as_many_alternatives_as_asked_for_and_possible(asked: int, length: int) -> None:
    logits = np.array([0.0, -np.inf, 1.0, 0.5], np.float32)
    choice = Sampler(Sampling(top_logprobs=asked), seed=0).sample(logits)
    assert choice.logprob is not None
    assert len(choice.top) == length
    assert all(math.isfinite(value) for _, value in choice.top)


def test_no_logprobs_unless_asked_for() -> None:
    choice = Sampler(Sampling(), seed=0).sample(steps(1)[0])
    assert (choice.logprob, choice.top) == (None, [])


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.0), FULL])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_no_distribution_are_an_engine_error(
    sampling: Sampling, bad: float
) -> None:
    logits = steps(1)[0].copy()
    logits[20] = bad
    with pytest.raises(EngineError, match="NaN logits" if math.isnan(bad) else "inf"):
        Sampler(sampling, seed=0).sample(logits)
    with pytest.raises(EngineError, match="-inf"):
        Sampler(sampling, seed=0).sample(np.full(VOCAB, -np.inf, np.float32))
