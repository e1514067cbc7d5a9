"""Log-probabilities say as much as the text does, and never more."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.decoding import Sampling, TokenLogprob

STOPS = ["a", "ab", "bc", "abca", "xyz", "e f", "é", "\ufffd", " "]


def text_of(logprobs: list[TokenLogprob]) -> str:
    return b"".join(one.token for one in logprobs).decode(errors="replace")


@given(
    seed=st.integers(0, 2**63),
    stop=st.lists(st.sampled_from(STOPS), max_size=3),
    ignore_eos=st.booleans(),
    top=st.integers(0, 3),
)
def test_logprobs_are_those_of_the_whole_tokens_in_the_text(
    toy: Callable, new_front: Callable, seed: int, stop: list[str], ignore_eos: bool, top: int
) -> None:
    front = new_front()
    sampling = Sampling(seed=seed, top_logprobs=top)
    heard = front.submit(
        1, [5, 6], sampling=sampling, max_tokens=25, stop=stop, ignore_eos=ignore_eos
    )
    front.settle()
    text, tokens, reason, hit = heard.outcome()
    pieces = [front.backend.piece(token) for token in tokens]
    told = [one.token for one in heard.logprobs[0]]
    if hit is None:
        ended = reason == "stop"  # by a token that says nothing, of which nothing is said
        assert told == (pieces[:-1] if ended else pieces)
        assert text == text_of(heard.logprobs[0])
    else:
        assert told == pieces[: len(told)]
        assert text.startswith(text_of(heard.logprobs[0]))
        more = b"".join(pieces[: len(told) + 1]).decode(errors="replace")
        assert not text.startswith(more)
    assert all(one.logprob <= 0 and len(one.top) == top for one in heard.logprobs[0])


@given(
    seed=st.integers(0, 2**63),
    stop=st.lists(st.sampled_from(STOPS), max_size=2),
    gaps=st.lists(st.integers(1, 9), min_size=1, max_size=5),
)
def test_however_seldom_it_is_told_it_is_the_same(
    new_front: Callable, seed: int, stop: list[str], gaps: list[int]
) -> None:
    fields = {"sampling": Sampling(seed=seed, top_logprobs=1), "max_tokens": 25, "stop": stop}
    often, seldom = new_front(), new_front()
    first = often.submit(1, [5, 6], **fields)
    often.settle()
    seldom.scheduler._outbox._pause_s = math.inf
    second = seldom.submit(1, [5, 6], **fields)
    for gap in gaps:
        for _ in range(gap):
            seldom.scheduler.step()
        seldom.scheduler.flush()
    seldom.settle()
    assert second.outcome() == first.outcome()
    assert second.logprobs == first.logprobs


def test_no_logprobs_unless_asked_for(front: Callable) -> None:
    heard = front.submit(1, [5, 6])
    front.settle()
    assert heard.logprobs[0] == []


@pytest.mark.parametrize("stop", [[], ["zz."]])
def test_no_logprob_runs_ahead_of_its_text(front: Callable, stop: list[str]) -> None:
    sampling = Sampling(seed=4, top_logprobs=0)
    heard = front.submit(1, [5, 6], sampling=sampling, max_tokens=60, stop=stop)
    while front.busy:
        front.scheduler.step()
        assert len(text_of(heard.logprobs[0])) <= len(heard.texts[0])


def test_the_logprob_is_that_of_the_model_alone(front: Callable) -> None:
    heard = front.submit(1, [5, 6], sampling=Sampling(temperature=0.0, top_logprobs=2))
    front.settle()
    for one in heard.logprobs[0]:
        assert one.top[0] == (one.token, one.logprob)  # greedy: the likeliest is the one drawn
        assert one.top[0][1] >= one.top[1][1]
