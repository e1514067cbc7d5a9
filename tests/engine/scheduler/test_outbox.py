"""Few messages, nothing lost, nothing late that matters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edge_rt.decoding.params import Made
from edge_rt.engine.protocol import Delta, StepOutput
from edge_rt.engine.scheduler.inputs import Outbox


def delta(token: int, id: int = 1, index: int = 0) -> Delta:
    return Delta(id, index, chr(97 + token % 26), [token])


class Sent(list[StepOutput]):
    """The messages that an outbox sent."""

    def text(self, id: int = 1, index: int = 0) -> str:
        return "".join(d.text for s in self for d in s.deltas if (d.id, d.index) == (id, index))


def test_a_slow_model_is_heard_token_by_token() -> None:
    sent = Sent()
    outbox = Outbox(sent.append, 0.02)
    for i in range(5):
        outbox.put([delta(i)], i * 0.021, urgent=False)
    assert [len(step.deltas[0].tokens) for step in sent] == [1] * 5


def test_a_fast_one_sends_several_tokens_in_one_message() -> None:
    sent = Sent()
    outbox = Outbox(sent.append, 0.02)
    for i in range(9):
        outbox.put([delta(i)], i * 0.0075, urgent=False)
    assert [step.deltas[0].tokens for step in sent] == [[0], [1, 2, 3], [4, 5, 6]]
    outbox.flush(1.0)
    assert sent[-1].deltas[0].tokens == [7, 8]


def test_what_was_judged_by_goes_with_the_tokens() -> None:
    sent = Sent()
    outbox = Outbox(sent.append, 0.02)
    for token in range(4):
        outbox.put([replace(delta(token), seen=[token / 3] * token)], 0.001, urgent=False)
    outbox.flush(1.0)
    assert [step.deltas[0].seen for step in sent] == [[], [1 / 3, 2 / 3, 2 / 3, 1.0, 1.0, 1.0]]


def test_what_an_answer_comes_to_is_what_was_told_last() -> None:
    sent = Sent()
    outbox = Outbox(sent.append, 0.02)
    for token in range(3):
        told = replace(delta(token), made=Made(large=token + 1))
        outbox.put([told], 0.001 * token, urgent=False)
    outbox.flush(1.0)
    assert [step.deltas[0].made for step in sent] == [Made(large=1), Made(large=3)]


def test_what_is_urgent_takes_the_rest_along() -> None:
    sent = Sent()
    outbox = Outbox(sent.append, 0.02)
    outbox.put([delta(0)], 0.0, urgent=False)
    outbox.put([delta(1)], 0.001, urgent=False)
    outbox.put([delta(2, id=2)], 0.002, urgent=True)
    assert [d.tokens for d in sent[-1].deltas] == [[1], [2]]


def test_nothing_is_sent_for_a_request_that_was_forgotten() -> None:
    sent = Sent()
    outbox = Outbox(sent.append, 0.02)
    outbox.put([delta(0)], 0.0, urgent=True)
    outbox.put([delta(1), delta(1, id=2)], 0.001, urgent=False)
    outbox.forget(1, 0.002)
    outbox.flush(0.003)
    assert (sent.text(1), sent.text(2)) == ("a", "b")


@given(
    st.lists(st.tuples(st.integers(1, 2), st.integers(0, 1), st.floats(0, 0.03), st.booleans())),
    st.sampled_from([0.0, 0.02]),
)
def test_every_token_arrives_once_and_in_order(
    puts: list[tuple[int, int, float, bool]], pause_s: float
) -> None:
    sent = Sent()
    outbox = Outbox(sent.append, pause_s)
    now = 0.0
    given_: dict[tuple[int, int], list[int]] = {}
    for token, (id, index, gap, urgent) in enumerate(puts):
        now += gap
        given_.setdefault((id, index), []).append(token)
        outbox.put([delta(token, id, index)], now, urgent=urgent)
    outbox.flush(now)
    heard: dict[tuple[int, int], list[int]] = {}
    for step in sent:
        for d in step.deltas:
            heard.setdefault((d.id, d.index), []).extend(d.tokens)
    assert heard == given_
