"""Few messages, nothing lost, nothing late that matters."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.events import Delta
from edge_rt.engine.generation.generation import Generation
from edge_rt.engine.protocol import StepOutput
from edge_rt.engine.scheduler.inputs import Outbox


class Answer:
    """One that counts its tokens, and tells each once."""

    def __init__(self, id: int = 1, index: int = 0) -> None:
        self.request, self.index = SimpleNamespace(id=id), index
        self._tokens: list[int] = []

    def drew(self, token: int) -> Generation:
        self._tokens.append(token)
        return cast(Any, self)

    def delta(self) -> Delta:
        tokens, self._tokens = self._tokens, []
        text = "".join(chr(97 + token % 26) for token in tokens)
        return Delta(self.request.id, self.index, text, tokens)


class Sent(list[StepOutput]):
    """The messages that an outbox sent."""

    def text(self, id: int = 1) -> str:
        return "".join(d.text for s in self for d in s.deltas if d.id == id)


def test_a_slow_model_is_heard_token_by_token() -> None:
    sent, one = Sent(), Answer()
    outbox = Outbox(sent.append, 0.02)
    for i in range(5):
        outbox.put([one.drew(i)], i * 0.021, urgent=False)
    assert [len(step.deltas[0].tokens) for step in sent] == [1] * 5


def test_a_fast_one_sends_several_tokens_in_one_message() -> None:
    sent, one = Sent(), Answer()
    outbox = Outbox(sent.append, 0.02)
    for i in range(9):
        outbox.put([one.drew(i)], i * 0.0075, urgent=False)
    assert [step.deltas[0].tokens for step in sent] == [[0], [1], [2, 3], [4, 5, 6], [7, 8]]
    outbox.put([one.drew(9)], 0.0675, urgent=False)
    outbox.flush(1.0)
    assert sent[-1].deltas[0].tokens == [9]


@pytest.mark.parametrize("step_s", [0.0075, 0.019, 0.021, 0.035])
def test_so_many_are_sent_a_second_whatever_the_length_of_a_step(step_s: float) -> None:
    sent, one = Sent(), Answer()
    outbox = Outbox(sent.append, 0.02)
    steps = round(2.0 / step_s)
    for i in range(steps):
        outbox.put([one.drew(i)], i * step_s, urgent=False)
    assert len(sent) == pytest.approx(min(100, steps), abs=2)


def test_what_was_urgent_often_holds_back_the_rest_for_one_pause_only() -> None:
    sent, one = Sent(), Answer()
    outbox = Outbox(sent.append, 0.02)
    for i in range(50):
        outbox.put([one.drew(i)], i * 0.001, urgent=True)
    outbox.put([one.drew(50)], 0.0695, urgent=False)
    assert len(sent) == 51


def test_what_is_urgent_takes_the_rest_along() -> None:
    sent, one, other = Sent(), Answer(), Answer(2)
    outbox = Outbox(sent.append, 0.02)
    outbox.put([one.drew(0)], 0.0, urgent=False)
    outbox.put([one.drew(1)], 0.001, urgent=False)
    outbox.put([one.drew(2)], 0.002, urgent=False)
    outbox.put([other.drew(3)], 0.003, urgent=True)
    assert [d.tokens for d in sent[-1].deltas] == [[2], [3]]


def test_nothing_is_sent_for_a_request_that_was_forgotten() -> None:
    sent, one, other = Sent(), Answer(), Answer(2)
    outbox = Outbox(sent.append, 0.02)
    outbox.put([one.drew(0)], 0.0, urgent=True)
    outbox.put([other.drew(0)], 0.001, urgent=False)
    outbox.put([one.drew(1), other.drew(1)], 0.002, urgent=False)
    outbox.forget(1, 0.003)
    outbox.flush(0.004)
    assert (sent.text(1), sent.text(2)) == ("a", "ab")


@given(
    st.lists(st.tuples(st.integers(1, 2), st.integers(0, 1), st.floats(0, 0.03), st.booleans())),
    st.sampled_from([0.0, 0.02]),
)
def test_every_token_arrives_once_and_in_order(
    puts: list[tuple[int, int, float, bool]], pause_s: float
) -> None:
    sent = Sent()
    outbox = Outbox(sent.append, pause_s)
    answers = {(id, index): Answer(id, index) for id in (1, 2) for index in (0, 1)}
    now = 0.0
    given_, heard = defaultdict[Any, list[int]](list), defaultdict[Any, list[int]](list)
    for token, (id, index, gap, urgent) in enumerate(puts):
        now += gap
        given_[id, index].append(token)
        outbox.put([answers[id, index].drew(token)], now, urgent=urgent)
    outbox.flush(now)
    for step in sent:
        told = [(d.id, d.index) for d in step.deltas]
        assert len(told) == len(set(told))
        for d in step.deltas:
            heard[d.id, d.index] += d.tokens
    assert heard == given_
