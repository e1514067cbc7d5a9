"""Embeddings come complete and in order, in passes that leave streams their turns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from task_toys import BEGIN, END, WIDTH, EmbedFront, toy_vector

from edge_rt.core.errors import EngineError, RequestError
from edge_rt.core.events import Embedded
from edge_rt.engine.protocol import Failed, StepOutput
from edge_rt.engine.scheduler.passes import PASS_S, SLICE_S
from edge_rt.engine.scheduler.tasks import READ_S

TEXTS = ["a", "some words", "bb", "more words here"[:14], "c d", "x" * 14]


def wanted(*texts: str) -> np.ndarray:
    return np.stack([toy_vector([BEGIN, *text.encode(), END]) for text in texts])


def test_vectors_come_in_the_order_of_the_inputs() -> None:
    front = EmbedFront()
    front.submit(1, *TEXTS)
    front.settle()
    assert front.vectors(1).tolist() == wanted(*TEXTS).tolist()


def test_it_is_told_how_many_tokens_were_read() -> None:
    front = EmbedFront()
    front.submit(1, "abc", [7, 8])
    front.settle()
    answer = front.ended[1]
    assert isinstance(answer, Embedded)
    assert answer.tokens == [5, 2]
    assert answer.timings.prompt_tokens == front.started[1].prompt_tokens == 7
    assert answer.timings.prefill_s > 0


def test_normalised_vectors_have_length_1_whatever_is_kept_of_them() -> None:
    front = EmbedFront(normalise=True)
    front.submit(1, *TEXTS)
    front.submit(2, *TEXTS, dimensions=2)
    front.settle()
    for id, width in ((1, WIDTH), (2, 2)):
        vectors = front.vectors(id)
        assert vectors.shape == (len(TEXTS), width)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-6)
        assert (vectors[:, 0] > 0).all()


@pytest.mark.parametrize("dimensions", [0, WIDTH + 1])
def test_dimensions_that_a_vector_has_not_are_refused(dimensions: int) -> None:
    front = EmbedFront()
    front.submit(1, "a", dimensions=dimensions)
    failed = front.ended[1]
    assert isinstance(failed, Failed)
    assert failed.param == "dimensions"
    assert not front.backend.passes


def test_one_input_that_cannot_be_done_fails_all_before_any_pass() -> None:
    front = EmbedFront()
    front.submit(1, "a", "x" * 99)
    front.submit(2, "b")
    front.settle()
    failed = front.ended[1]
    assert isinstance(failed, Failed)
    assert (failed.param, failed.code) == ("input[1]", "context_length_exceeded")
    assert front.vectors(2).tolist() == wanted("b").tolist()
    assert len(front.backend.passes) == 1
    assert 1 not in front.started


def test_a_prompt_is_refused_by_its_model() -> None:
    with pytest.raises(RequestError, match="continues no prompts") as refused:
        EmbedFront().scheduler.tokenize("a", special=False)
    assert refused.value.param == "model"


def test_a_pass_that_breaks_fails_those_who_were_in_it_and_no_others() -> None:
    front = EmbedFront()
    front.backend.failures = [EngineError("broken")]
    front.submit(1, "x" * 14)
    front.submit(2, "a")  # much shorter: a pass of its own
    front.settle()
    assert front.ended[1] == Failed(1, "broken")
    assert front.vectors(2).tolist() == wanted("a").tolist()
    assert front.spent_s(1) > 0.01  # it took its time all the same


def test_numbers_that_are_none_are_an_error() -> None:
    front = EmbedFront()
    front.backend.poison = lambda tokens: True
    front.submit(1, "a")
    front.settle()
    failed = front.ended[1]
    assert isinstance(failed, Failed)
    assert failed.param is None
    assert "not finite" in failed.message


def test_inputs_of_about_the_same_length_share_a_pass_whosever_they_are() -> None:
    front = EmbedFront()
    front.scheduler.budget.took(10**6, 1.0)  # a fast model
    front.submit(1, "abc", "x" * 14)
    front.submit(2, "abd")
    front.settle()
    assert sorted(len(one) for one in front.backend.passes) == [1, 2]


def test_little_of_a_pass_is_padding() -> None:
    front = EmbedFront()
    front.scheduler.budget.took(10**6, 1.0)
    front.submit(1, *["x" * n for n in range(1, 15)])
    front.settle()
    for one in front.backend.passes:
        lengths = [len(tokens) for tokens in one]
        assert sum(lengths) >= 0.5 * max(lengths) * len(lengths)


def test_texts_are_cut_into_tokens_for_a_while_only_between_passes() -> None:
    front = EmbedFront()
    cut, tokenize = [0], front.backend.tokenize

    def slow(text: str, *, special: bool) -> list[int]:
        front.clock.now += READ_S / 4
        cut[0] += 1
        return tokenize(text, special=special)

    front.backend.tokenize = slow
    front.submit(1, *["ab"] * 30)
    front.submit(2, "a")
    front.scheduler.step()
    assert cut[0] <= 5
    front.settle()
    assert cut[0] == 31
    assert front.vectors(2).tolist() == wanted("a").tolist()


def test_a_short_request_does_not_wait_for_a_long_one() -> None:
    front = EmbedFront()
    front.submit(1, *["x" * 14] * 60)
    front.submit(2, "a")
    front.settle()
    assert list(front.ended) == [2, 1]


@pytest.mark.parametrize(
    ("brief", "most", "longest_s"),
    [(True, None, SLICE_S), (False, 64, SLICE_S), (False, None, PASS_S)],
)
def test_passes_are_short_while_streams_wait_or_the_limits_bound_them(
    brief: bool, most: int | None, longest_s: float
) -> None:
    front = EmbedFront()
    front.backend.room = front.backend.rows = 10**6
    front.scheduler.budget.most = most
    front.submit(1, *["abcdef"] * 300)
    front.settle(brief=brief)
    assert max(front.backend.pass_s) <= longest_s + 1e-9
    assert max(front.backend.pass_s) > 0.5 * longest_s


def test_requests_pay_by_their_tokens_in_a_pass() -> None:
    front = EmbedFront()
    front.scheduler.budget.took(10**6, 1.0)
    front.submit(1, "abcdef", "abcdef")  # 16 tokens
    front.submit(2, "ab")  # 4
    front.settle()
    assert len(front.backend.passes) == 1
    assert front.spent_s(1) == pytest.approx(4 * front.spent_s(2), rel=0.01)
    assert front.spent_s(1) + front.spent_s(2) == pytest.approx(front.backend.pass_s[0], rel=0.01)


def test_work_is_told_before_the_end_that_it_was_for() -> None:
    front = EmbedFront(pause_s=10.0)
    front.submit(1, *["x" * 14] * 9)
    front.settle()
    kinds = [type(event) for event in front.events]
    assert kinds.index(Embedded) == len(kinds) - 1
    assert kinds[-2] is StepOutput
    assert front.spent_s(1) >= 0.99 * sum(front.backend.pass_s)


def test_cancelling_tells_what_it_took_and_is_the_end() -> None:
    front = EmbedFront(pause_s=10.0)
    front.submit(1, *["x" * 14] * 9)
    front.submit(2, "a")
    front.scheduler.step()
    front.scheduler.cancel(1)
    assert isinstance(front.events[-1], StepOutput)
    assert front.spent_s(1) > 0
    before = len(front.backend.passes)
    front.settle()
    assert 1 not in front.ended
    assert len(front.backend.passes) == before + 1


def test_its_tokens_are_not_counted_with_those_of_prompts() -> None:
    front = EmbedFront()
    front.submit(1, *TEXTS)
    front.settle()
    assert front.tally.read == front.tally.drawn == 0
    assert front.tally.native_s >= sum(front.backend.pass_s)
    assert front.tally.read_s == pytest.approx(front.tally.native_s)


def test_closing_fails_what_is_under_way() -> None:
    front = EmbedFront()
    front.submit(1, *["x" * 14] * 9)
    front.scheduler.step()
    front.submit(2, "a")
    front.scheduler.close("unloaded")
    assert front.ended == {1: Failed(1, "unloaded"), 2: Failed(2, "unloaded")}
    assert front.backend.closed


def test_threads_are_set_when_they_change() -> None:
    front = EmbedFront()
    front.scheduler.set_threads(2)
    assert front.backend.threads == 2


@given(
    script=st.lists(
        st.one_of(
            st.lists(st.text("ab", min_size=1, max_size=14), min_size=1, max_size=9),
            st.integers(0, 9),  # cancel
            st.none(),  # a pass
        ),
        max_size=40,
    )
)
def test_whatever_comes_each_request_gets_its_own_vectors_once(
    script: list[list[str] | int | None],
) -> None:
    front = EmbedFront()
    asked: dict[int, list[str]] = {}
    gone: set[int] = set()
    for item in script:
        if isinstance(item, list):
            asked[len(asked)] = item
            front.submit(len(asked) - 1, *item)
        elif item is None:
            front.scheduler.step(brief=True)
        else:
            gone.add(item)
            front.scheduler.cancel(item)
    front.settle()
    for id, texts in asked.items():
        if id in front.ended:
            assert front.vectors(id).tolist() == wanted(*texts).tolist()
        else:
            assert id in gone


def test_with_a_question_each_text_is_read_behind_it() -> None:
    front = EmbedFront()
    front.submit(1, "a", "bc", query="q")
    front.submit(2, "d" * 14, query="q")
    front.settle()
    begin = [BEGIN, *b"q", END]
    expected = [toy_vector([*begin, *text, END]) for text in (b"a", b"bc")]
    np.testing.assert_array_equal(front.vectors(1), expected)
    failed = front.ended[2]
    assert isinstance(failed, Failed)
    assert failed.param == "input[0]", "one text of several, as far as the front knows"
