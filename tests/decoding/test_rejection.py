"""Drawing until a token is accepted gives what a mask of the vocabulary gives, and its mass."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import END, OTHER_END, PIECES, Letters
from numpy.typing import NDArray

from edge_rt.core.decoding import Constraint, Sampling
from edge_rt.decoding.constraints.grammars import Grammars
from edge_rt.decoding.distribution import Logits
from edge_rt.decoding.draws import draw, uniform
from edge_rt.decoding.rejection import MOST, DrawnCandidate, by_draw, by_rank, search

PLAIN = Sampling()
HOT = Sampling(temperature=1.7)
FEW = Sampling(top_k=6)
HEAD = Sampling(temperature=1.3, top_p=0.8, min_p=0.05)
PATTERN = "(ab|ca|c)(00|é){1,2}[0-3]"


def toy(vocab: int, seed: int = 0, spread: float = 2.0) -> Logits:
    made = np.random.default_rng(seed).normal(0, spread, vocab).astype(np.float32)
    made.flags.writeable = False
    return made


def softmax(logits: Logits, temperature: float = 1.0) -> NDArray[np.float64]:
    weights = np.exp((logits.astype(np.float64) - float(logits.max())) / temperature)
    return weights / weights.sum()


def judge(accepted: NDArray[np.bool_]) -> Callable[[Sequence[int]], list[bool]]:
    return lambda tokens: [bool(accepted[token]) for token in tokens]


def drawn(
    logits: Logits, sampling: Sampling, seed: int, position: int = 0
) -> Iterator[DrawnCandidate]:
    return by_draw(logits, sampling, float(logits.max()), seed, position)


def orders(p: Sequence[float]) -> Iterator[tuple[float, list[DrawnCandidate]]]:
    """Every order of draws without replacement, and its probability."""
    for order in permutations(range(len(p))):
        chance, left, candidates = 1.0, 1.0, list[DrawnCandidate]()
        for token in order:
            candidates.append(DrawnCandidate(token, p[token], left))
            chance *= p[token] / left
            left = sum(p[other] for other in order[len(candidates) :])
        yield chance, candidates


@given(st.lists(st.tuples(st.integers(1, 1000), st.booleans()), min_size=1, max_size=5))
def test_over_all_orders_tokens_are_those_of_a_mask_and_weights_are_right_in_the_mean(
    tokens: list[tuple[int, bool]],
) -> None:
    total = sum(weight for weight, _ in tokens)
    p = [weight / total for weight, _ in tokens]
    accepted = np.array([ok for _, ok in tokens])
    mass = sum(one for one, ok in zip(p, accepted, strict=True) if ok)
    chances, mean = Counter[int](), 0.0
    for chance, candidates in orders(p):
        found = search(iter(candidates), judge(accepted), greedy=False)
        assert (found is None) == (mass == 0.0)
        if found is not None:
            assert found.log_weight is not None
            chances[found.token] += chance
            mean += chance * math.exp(found.log_weight)
    assert mean == pytest.approx(mass)
    for token, one in enumerate(p):
        right = one / mass if accepted[token] else 0.0
        assert chances[token] == pytest.approx(right)


CASES = [
    pytest.param(toy(8), PLAIN, 2, id="small"),
    pytest.param(toy(60, 3), HOT, 7, id="hot"),
    pytest.param(toy(300, 4, 0.2), PLAIN, 30, id="flat"),
    pytest.param(toy(40, 5), FEW, 2, id="top_k"),
    pytest.param(toy(40, 6), HEAD, 3, id="top_p and min_p"),
    pytest.param(toy(40, 7, 12.0), PLAIN, 5, id="peaked"),
]


def masked(logits: Logits, sampling: Sampling, accepted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The probabilities of accepted tokens among those that `sampling` keeps, if it keeps any."""
    p = softmax(logits, sampling.temperature)
    order = np.argsort(-logits, kind="stable")
    keep = p.size if not sampling.top_k else sampling.top_k
    keep = min(keep, int(np.cumsum(p[order]).searchsorted(sampling.top_p)) + 1)
    keep = min(keep, int((p >= sampling.min_p * p.max()).sum()))
    head = np.zeros(p.size, np.bool_)
    head[order[:keep]] = True
    if (head & accepted).any():
        p = np.where(head, p, 0.0)
        p /= p.sum()
    return np.where(accepted, p, 0.0)


@pytest.mark.parametrize(("logits", "sampling", "every"), CASES)
def test_drawn_tokens_have_the_masked_distribution_and_their_weights_its_mass(
    logits: Logits, sampling: Sampling, every: int
) -> None:
    accepted = np.arange(logits.size) % every == 1
    right = masked(logits, sampling, accepted)
    counts, weights, runs = np.zeros(logits.size), list[float](), 2000
    for seed in range(runs):
        found = search(drawn(logits, sampling, seed), judge(accepted), greedy=False)
        assert found is not None
        assert found.log_weight is not None
        counts[found.token] += 1
        weights.append(math.exp(found.log_weight))
    mass = float(right.sum())
    share = right / mass
    distance = 0.5 * np.abs(counts / runs - share).sum()
    expected = 0.5 * np.sqrt(2 * share * (1 - share) / (math.pi * runs)).sum()
    assert distance < expected + math.sqrt(math.log(1000) / (2 * runs))
    error = np.std(weights) / math.sqrt(runs)
    assert abs(np.mean(weights) - mass) < 4 * error + 1e-6


@given(st.integers(0, 2**64 - 1), st.integers(0, 1000), st.sampled_from([PLAIN, HOT, FEW, HEAD]))
def test_the_first_token_is_the_one_that_is_drawn_without_a_check(
    seed: int, position: int, sampling: Sampling
) -> None:
    logits = toy(200, 9)
    first = next(drawn(logits, sampling, seed, position))
    peak = float(logits.max())
    assert first.token == draw(logits, sampling, peak, uniform(seed, position))


@given(
    st.integers(0, 2**64 - 1),
    st.integers(1, 200),
    st.sampled_from([0.1, 2.0, 30.0]),
    st.sampled_from([PLAIN, HOT, FEW, HEAD]),
)
def test_every_token_comes_once_and_what_is_left_falls_to_nothing(
    seed: int, vocab: int, spread: float, sampling: Sampling
) -> None:
    logits = toy(vocab, vocab, spread).copy()
    logits[::3] = -np.inf
    if not np.isfinite(logits).any():
        return
    told = list(drawn(logits, sampling, seed))
    assert sorted(one.token for one in told) == list(np.flatnonzero(np.isfinite(logits)))
    assert all(0.0 <= one.probability <= one.left + 1e-6 <= 1.0 + 1e-5 for one in told)


def test_two_answers_draw_apart() -> None:
    logits = toy(50, 1, 0.1)
    tokens = [[one.token for one in drawn(logits, PLAIN, seed)] for seed in range(20)]
    assert len({tuple(one) for one in tokens}) == 20
    assert tokens[3] == [one.token for one in drawn(logits, PLAIN, 3)]


@given(st.integers(1, 300), st.integers(0, 20))
def test_ranked_tokens_are_all_tokens_by_falling_logit(vocab: int, seed: int) -> None:
    logits = np.round(toy(vocab, seed), 1)  # some are equal
    told = [one.token for one in by_rank(logits)]
    assert told == list(np.argsort(-logits, kind="stable"))


def test_the_likeliest_accepted_token_is_the_greedy_one_without_a_weight() -> None:
    logits, asked = toy(300, 2), list[int]()
    accepted = np.zeros(300, np.bool_)
    accepted[np.argsort(-logits)[[100, 200]]] = True

    def noting(tokens: Sequence[int]) -> list[bool]:
        asked.extend(tokens)
        return judge(accepted)(tokens)

    found = search(by_rank(logits), noting, greedy=True)
    assert found is not None
    assert (found.token, found.log_weight) == (np.argsort(-logits)[100], None)
    assert len(asked) < 200


def test_a_search_ends_where_nothing_is_acceptable() -> None:
    asked = Counter[int]()

    def never(tokens: Sequence[int]) -> list[bool]:
        asked.update(tokens)
        return [False] * len(tokens)

    assert search(drawn(toy(3 * MOST), PLAIN, 1), never, greedy=False) is None
    assert len(asked) == asked.total() == MOST


@pytest.fixture(scope="module")
def grammars() -> Iterator[Grammars]:
    made = Grammars(Letters())
    yield made
    made.close()


def language() -> set[str]:
    alphabet = [*("ab", "ca", "c"), *"0123", "00", "é"]
    texts, whole = {""}, set[str]()
    for _ in range(5):
        texts = {text + more for text in texts for more in alphabet}
        whole |= {text for text in texts if re.fullmatch(PATTERN, text)}
    return whole


@pytest.mark.parametrize("before", ["", "c", "ab", "ca0", "ab00", "cé", "c00é", "ca002"])
def test_where_a_grammar_says_the_same_its_mask_gives_the_same_tokens_and_mass(
    grammars: Grammars, before: str
) -> None:
    letters, whole = Letters(), {text.encode() for text in language()}
    matcher = grammars.matcher(Constraint("regex", PATTERN))
    for token in letters.tokenize(before, special=False):
        matcher.take(token)

    def viable(tokens: Sequence[int]) -> list[bool]:
        return [_viable(before.encode(), token, whole) for token in tokens]

    logits = toy(len(PIECES), len(before) + 1)
    mask = matcher.apply(logits).copy()
    share = np.exp(mask.astype(np.float64))
    mass, share = share.sum() / np.exp(logits.astype(np.float64)).sum(), share / share.sum()
    counts, weights, runs = np.zeros(len(PIECES)), list[float](), 500
    for seed in range(runs):
        found = search(drawn(logits, PLAIN, seed), viable, greedy=False)
        assert found is not None
        assert found.log_weight is not None
        counts[found.token] += 1
        weights.append(math.exp(found.log_weight))
    assert set(np.flatnonzero(counts)) <= set(np.flatnonzero(share))
    expected = 0.5 * np.sqrt(2 * share * (1 - share) / (math.pi * runs)).sum()
    assert 0.5 * np.abs(counts / runs - share).sum() < expected + math.sqrt(
        math.log(1000) / (2 * runs)
    )
    assert abs(np.mean(weights) - mass) < 4 * np.std(weights) / math.sqrt(runs) + 1e-6


def _viable(before: bytes, token: int, whole: set[bytes]) -> bool:
    if token in (END, OTHER_END):
        return before in whole
    piece = PIECES[token]
    return bool(piece) and any(text.startswith(before + piece) for text in whole)
