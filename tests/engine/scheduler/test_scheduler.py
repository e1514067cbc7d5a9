"""Who waits for whom, who reads what, and how a request ends."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from itertools import pairwise

import pytest

from edge_rt.core.decoding import Mode, Sampling
from edge_rt.core.errors import EngineError
from edge_rt.core.events import Finished, Started
from edge_rt.engine.kv.sequences import LAST_TOKENS
from edge_rt.engine.protocol import BROKEN, Failed, StepOutput

LONG = [8 + i * 7 % 25 for i in range(90)]
OTHER = [9 + i * 11 % 23 for i in range(90)]
SYSTEM = LONG[:40]
ALL = [[{"n": 3}], [{"group": "all"}] * 3, [{}] * 3]
"""What takes all three sequences of the model: answers, prompts, or requests of one user."""


def streamed(front, ids: set[int]) -> set[int]:
    """Return which of `ids` got a token in the last pass."""
    step = next(e for e in reversed(front.events) if isinstance(e, StepOutput))
    return {delta.id for delta in step.deltas} & ids


# --- fairness


def test_streams_get_a_token_in_every_pass_while_a_long_prompt_is_read(front) -> None:
    front.submit(1, [5], max_tokens=None)
    front.submit(2, [6], max_tokens=None)
    front.scheduler.step()
    front.submit(3, LONG)
    passes = 0
    while not front.heard[3].tokens[0]:
        front.scheduler.step()
        passes += 1
        assert streamed(front, {1, 2}) == {1, 2}
        fed = dict(front.backend.passes[-1])
        assert sum(fed.values()) <= 16 + 2  # a chunk and the streams' own tokens
    assert passes == -(-len(LONG) // 16)


def test_what_is_held_back_goes_out_before_a_prompt_is_read(front, monkeypatch) -> None:
    """It would be late by the length of that pass."""
    front.pause_s = 60.0
    front.keep_as(None)
    stream = front.submit(1, [5], max_tokens=None)
    for _ in range(4):
        front.scheduler.step()
    assert len(stream.tokens[0]) == 2  # the others wait for the next message
    told: list[int] = []
    forward = front.backend.forward
    monkeypatch.setattr(
        front.backend, "forward", lambda: (told.append(len(stream.tokens[0])), forward())
    )
    front.submit(2, LONG)
    front.scheduler.step()
    assert told == [4]


def test_prompts_are_read_oldest_first_and_share_one_chunk(front) -> None:
    front.submit(1, [5], max_tokens=None)
    front.scheduler.step()
    front.submit(2, LONG[:20])
    front.submit(3, OTHER[:20])
    front.scheduler.step()
    assert [count for _, count in front.backend.passes[-1]] == [1, 16]
    front.scheduler.step()
    assert [count for _, count in front.backend.passes[-1]] == [1, 4, 12]


def test_a_prompt_fills_the_batch_when_nothing_streams(toy: Callable, new_front: Callable) -> None:
    front = new_front(toy(batch=64))  # whose clock says that a pass takes a millisecond
    front.submit(1, LONG)
    front.settle()
    sizes = [sum(count for _, count in one) for one in front.backend.passes]
    assert sizes[:3] == [16, 64, 10]  # the first pass measures


def test_other_models_streams_are_kept_waiting_for_a_chunk_only(
    toy: Callable, new_front: Callable
) -> None:
    front = new_front(toy(batch=64))
    front.submit(1, LONG)
    while not front.scheduler.streaming:
        front.scheduler.step(brief=True)
    assert [count for one in front.backend.passes for _, count in one] == [16] * 5 + [10]


def test_a_slow_model_reads_a_chunk_at_a_time(toy: Callable, new_front: Callable) -> None:
    front = new_front(toy(batch=64))
    ticks = iter(range(10_000))
    front.scheduler._clock = lambda: float(next(ticks))  # a second a pass
    front.submit(1, LONG)
    front.settle()
    assert max(count for one in front.backend.passes for _, count in one) == 16


def test_requests_beyond_the_sequences_wait_and_start_in_order(front) -> None:
    for id in range(1, 7):
        front.submit(id, [id + 4, 9], max_tokens=3)
    front.scheduler.step()
    assert (front.scheduler.running, front.scheduler.waiting) == (3, 3)
    front.settle()
    assert [e.id for e in front.events if isinstance(e, Started)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "several",
    [[{"n": 9}], [{"group": "all"}] * 9, [{"client": "a"}] * 9],
    ids=["answers", "prompts", "requests of one client"],
)
def test_who_asks_for_many_answers_lets_others_in_between(front, several) -> None:
    """The model has three sequences; the large request uses two and leaves one to others."""
    for id, fields in enumerate(several, 2):
        front.submit(id, [id + 4, 9], max_tokens=8, **fields)
    front.scheduler.step()
    assert front.scheduler.waiting in (6, 7)
    front.submit(1, [20, 9], max_tokens=8, client="b")
    front.settle()
    ended = [e.id for e in front.events if isinstance(e, Finished)]
    assert len(ended) == 10
    assert ended.index(1) <= 5  # behind the first three and beside two more


@pytest.mark.parametrize("several", [[{"n": 9}], [{"group": "all"}] * 9])
def test_one_request_leaves_a_sequence_to_others(front, several) -> None:
    for id, fields in enumerate(several, 2):
        front.submit(id, [id + 4, 9], max_tokens=90, **fields)
    front.scheduler.step()
    assert front.scheduler.running == 2
    front.submit(1, [20, 9], max_tokens=2)
    front.scheduler.step()
    front.scheduler.step()
    assert [e.id for e in front.events if isinstance(e, Finished)] == [1]


@pytest.mark.parametrize("several", [[{"n": 3}], [{"group": "all"}] * 3])
def test_a_request_that_fits_uses_every_sequence(front, several) -> None:
    for id, fields in enumerate(several, 2):
        front.submit(id, [id + 4, 9], max_tokens=90, **fields)
    front.scheduler.step()
    assert front.scheduler.running == 3


@pytest.mark.parametrize("several", ALL, ids=["answers", "prompts", "requests"])
@pytest.mark.parametrize("draft", [None, "lookup"])
def test_who_has_every_sequence_gives_one_to_another_client(
    front, new_request: Callable, reference: Callable, several, draft: str | None
) -> None:
    fields = {"max_tokens": 40, "mode": None if draft is None else Mode(draft)}
    asked = [
        new_request(id, [id + 4, 9, id + 4, 9], user="a", **fields, **own)
        for id, own in enumerate(several, 2)
    ]
    for request in asked:
        front.scheduler.submit(request)
    for _ in range(10):
        front.scheduler.step()
    assert front.scheduler.running == 3
    asked.append(new_request(1, [20, 9], max_tokens=2, user="b"))
    front.scheduler.submit(asked[-1])
    for _ in range(4):
        front.scheduler.step()
    assert [e.id for e in front.events if isinstance(e, Finished)] == [1]
    assert front.scheduler.running == 3  # the one that gave way goes on
    front.settle()
    assert len([e for e in front.events if isinstance(e, Started)]) == len(asked)
    for request in asked:
        for index in range(request.n):
            assert front.heard[request.id].outcome(index) == reference(request, index)


def test_each_client_keeps_one_sequence(front) -> None:
    for id, user in enumerate("aaa", 1):
        front.submit(id, [id + 4, 9], max_tokens=90, user=user)
    for _ in range(5):
        front.scheduler.step()
    for id, user in enumerate("bcdd", 4):
        front.submit(id, [id + 4, 9], max_tokens=90, user=user)
    for _ in range(5):
        front.scheduler.step()
    users = [answer.request.user for answer in front.scheduler._running]
    assert sorted(users) == ["a", "b", "c"]


def test_clients_take_turns_with_the_only_sequence(toy: Callable, new_front: Callable) -> None:
    front = new_front(toy(sequences=1))
    for id, user in enumerate("aaaabbc", 1):
        front.submit(id, [id + 4, 9], max_tokens=3, user=user)
    front.settle()
    ended = [e.id for e in front.events if isinstance(e, Finished)]
    assert ended == [1, 5, 7, 2, 6, 3, 4]


def test_time_in_the_queue_is_told(toy: Callable, new_front: Callable) -> None:
    front = new_front(toy(sequences=1))
    first = front.submit(1, [5], max_tokens=5)
    second = front.submit(2, [6], max_tokens=5)
    front.settle()
    assert second.finished[0].timings.queue_s > first.finished[0].timings.decode_s > 0
    assert second.finished[0].timings.prefill_s > 0


# --- what is read only once


def test_a_prompt_that_begins_like_an_earlier_one_reads_only_the_rest(front) -> None:
    front.submit(1, [*SYSTEM, 5, 6, 7])
    front.settle()
    before = front.backend.fed
    heard = front.submit(2, [*SYSTEM, 9, 9], max_tokens=1)
    front.settle()
    assert front.backend.fed - before == 2
    assert heard.started[0].cached_tokens == 40
    assert heard.finished[0].timings.cached_tokens == 40


def test_the_same_prompt_again_reads_its_last_token(front) -> None:
    front.submit(1, SYSTEM, max_tokens=1)
    front.settle()
    front.submit(2, SYSTEM, max_tokens=1)
    front.settle()
    assert front.backend.fed == 41


def test_a_conversation_goes_on_in_its_own_sequence(front) -> None:
    conversation, fed = list(SYSTEM), 0
    for turn in range(4):
        heard = front.submit(turn, conversation, max_tokens=4)
        front.settle()
        conversation += [*heard.tokens[0], 5 + turn, 6]
        assert front.backend.copies == 0
        assert sum(bool(held) for held in front.backend.held) == 1
        new = front.backend.fed - fed
        assert new == (43 if turn == 0 else 1 + 2 + 3)  # last drawn, new text, drawn and fed
        fed = front.backend.fed


def test_a_beginning_that_many_arrivals_share_is_read_once(front) -> None:
    prompts = [SYSTEM + [5 + i] * 3 for i in range(3)]
    for id, prompt in enumerate(prompts):
        front.submit(id, prompt, max_tokens=1)
    front.settle()
    assert front.backend.fed == 40 + 3 * 3
    assert [front.heard[id].started[0].cached_tokens for id in range(3)] == [0, 40, 40]


def test_who_waits_for_a_shared_beginning_reads_it_when_the_reader_is_cancelled(front) -> None:
    front.submit(1, [*LONG[:80], 5])
    front.submit(2, [*LONG[:80], 6])
    front.scheduler.step()
    assert front.scheduler.running == 1
    front.scheduler.cancel(1)
    front.settle()
    assert front.heard[2].started[0].cached_tokens == 16  # what the reader had got to
    assert 0 in front.heard[2].finished


def test_who_shares_nothing_does_not_wait(front) -> None:
    front.submit(1, LONG)
    front.submit(2, LONG[:70])
    front.submit(3, OTHER)
    front.scheduler.step()
    assert (front.scheduler.running, front.scheduler.waiting) == (2, 1)


def test_several_answers_read_the_prompt_once(toy: Callable, new_front: Callable) -> None:
    front = new_front(toy(sequences=4))
    sampling = Sampling(seed=3)
    heard = front.submit(1, SYSTEM, n=4, max_tokens=1, sampling=sampling)
    front.settle()
    assert len(heard.finished) == 4
    assert len(heard.started) == 1
    assert front.backend.fed == 40 + 3  # the others read the last token, whose logits they need


def test_more_answers_than_sequences(toy: Callable, new_front: Callable) -> None:
    front = new_front(toy(sequences=2))
    heard = front.submit(1, SYSTEM, n=5, sampling=Sampling(seed=3))
    front.settle()
    assert len(heard.finished) == 5
    assert len({tuple(tokens) for tokens in heard.tokens.values()}) > 1


def test_a_recurrent_model_reads_a_prompt_from_where_it_parts_from_others(
    toy: Callable, new_front: Callable, reference: Callable, new_request: Callable
) -> None:
    front, read = new_front(toy(recurrent=True)), 0
    for id, tail in enumerate([5, 6, 7]):
        prompt = [*SYSTEM, *[tail] * 20]
        front.submit(id, prompt)
        front.settle()
        assert front.heard[id].outcome() == reference(new_request(id, prompt), 0)
        read, before = front.backend.fed, read
    assert read - before == 20 + 7  # marked by the second, and the answer


def test_a_recurrent_model_reads_only_what_is_new_where_an_answer_is_told_otherwise(
    toy: Callable, new_front: Callable, reference: Callable, new_request: Callable
) -> None:
    front = new_front(toy(recurrent=True))
    front.submit(1, SYSTEM)
    front.settle()
    read, turn = front.backend.fed, [*SYSTEM[:-3], 9, 8, 9, 8]
    front.submit(2, turn)
    front.settle()
    assert front.heard[2].outcome() == reference(new_request(2, turn), 0)
    assert front.backend.fed - read == LAST_TOKENS - 3 + 4 + 7


# --- ends


def test_a_cancelled_request_is_gone_at_once(front) -> None:
    front.submit(1, [5], max_tokens=None)
    front.submit(2, [6], max_tokens=None)
    front.scheduler.step()
    count = len(front.events)
    front.scheduler.cancel(1)
    assert front.scheduler.running == 1
    front.scheduler.step()
    assert all(delta.id == 2 for e in front.events[count:] for delta in e.deltas)


@pytest.mark.parametrize("steps", [0, 1, 3, 50])
def test_cancelling_at_any_time_frees_everything(front, steps: int) -> None:
    front.submit(1, LONG, n=5, max_tokens=4)
    for _ in range(steps):
        front.scheduler.step()
    front.scheduler.cancel(1)
    front.scheduler.cancel(1)
    front.scheduler.cancel(77)
    assert not front.busy
    front.check_pool()


@pytest.mark.parametrize("steps", [0, 1, 3, 50])
def test_an_answer_is_freed_when_it_ends_with_the_grammar_that_it_holds(front, steps: int) -> None:
    front.submit(1, LONG, n=2, max_tokens=40)
    front.submit(2, [5], max_tokens=2)
    for _ in range(steps):
        front.scheduler.step()
    answers = [weakref.ref(answer) for answer in front.scheduler._all()]
    gc.disable()
    try:
        front.scheduler.cancel(1)
        front.settle()
        assert [answer for answer in answers if answer() is not None] == []
    finally:
        gc.enable()


def test_a_full_context_ends_an_answer(front, reference: Callable, new_request: Callable) -> None:
    heard = front.submit(1, LONG, max_tokens=None)
    front.settle()
    assert heard.finished[0].reason == "length"
    assert len(heard.tokens[0]) == 96 - 90
    assert heard.outcome() == reference(new_request(1, LONG, max_tokens=None), 0)


def test_the_longest_prompt_that_fits_gets_one_token(front) -> None:
    heard = front.submit(1, [*LONG, *[5] * 5], max_tokens=None)
    front.settle()
    assert len(heard.tokens[0]) == 1


def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(front) -> None:
    heard = front.submit(1, [*LONG, *[5] * 6])
    (failed,) = heard.failed
    assert (failed.param, failed.code) == ("prompt", "context_length_exceeded")
    assert "96" in failed.message
    assert not front.busy


def test_text_that_cannot_fit_is_refused_without_being_tokenised(front) -> None:
    front.backend.tokenize = None
    (failed,) = front.submit(1, "a" * 300).failed
    assert failed.code == "context_length_exceeded"
    assert "96" in failed.message
    assert "100" in failed.message


@pytest.mark.parametrize("prompt", ["", []])
def test_an_empty_prompt_is_refused(front, prompt: str | list[int]) -> None:
    (failed,) = front.submit(1, prompt).failed
    assert failed.param == "prompt"
    assert "empty" in failed.message


@pytest.mark.parametrize("token", [-1, 39, 2**40])
def test_tokens_that_the_model_does_not_have_are_refused(front, token: int) -> None:
    (failed,) = front.submit(1, [5, token]).failed
    assert failed.param == "prompt"
    assert str(token) in failed.message


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"stop": [""]}, "stop"),
        ({"sampling": Sampling(logit_bias={500: 1.0})}, "logit_bias"),  # found at the first token
    ],
)
def test_requests_that_cannot_be_done_are_refused(front, changes: dict, param: str) -> None:
    heard = front.submit(1, [5, 6], n=2, **changes)
    front.settle()
    (failed,) = heard.failed
    assert failed.param == param
    assert not heard.finished


def test_text_is_tokenised_by_the_model(front) -> None:
    heard = front.submit(1, "hi<eos>", special=True)
    assert front.scheduler._waiting[0].sequences[0].prompt == [1, 15, 16, 0]
    front.settle()
    assert heard.started[0].prompt_tokens == 4


def test_answers_that_were_complete_end_at_once_when_resumed(front) -> None:
    heard = front.submit(1, [5, 6], n=3, max_tokens=2, resume={0: [8, 9], 1: [9, 9]}, done=[1])
    assert list(heard.finished) == [0]
    assert heard.finished[0].reason == "length"
    front.settle()
    assert sorted(heard.finished) == [0, 2]
    assert sorted(heard.tokens) == [2]


def test_an_answer_that_ended_by_its_last_token_ends_so_when_resumed(front) -> None:
    by_token = front.submit(1, [5], max_tokens=9, resume={0: [8, 0]}, ignore_eos=False)
    by_stop = front.submit(2, [5], max_tokens=9, resume={0: [8, 9, 10]}, stop=["bc"])
    assert by_token.finished[0].reason == "stop"
    assert (by_stop.finished[0].reason, by_stop.finished[0].stop) == ("stop", "bc")
    by_end = front.submit(3, [5], max_tokens=2, resume={0: [8, 2]}, stop=["\ufffd"])
    assert (by_end.finished[0].reason, by_end.finished[0].stop) == ("stop", "\ufffd")
    assert front.backend.fed == 0


# --- faults of the model


def test_a_failed_pass_fails_all_and_leaves_a_usable_scheduler(
    front, reference: Callable, new_request: Callable
) -> None:
    for id in range(1, 6):
        front.submit(id, [id + 4, 9], n=2)
    front.scheduler.step()
    front.backend.failures.append(EngineError("no memory"))
    front.scheduler.step()
    assert all(
        front.heard[id].failed == [Failed(id, "no memory", code=BROKEN)] for id in range(1, 6)
    )
    assert not front.busy
    front.check_pool()
    heard = front.submit(9, [5, 9])
    front.settle()
    assert heard.outcome() == reference(new_request(9, [5, 9]), 0)
    assert heard.started[0].cached_tokens == 0  # nothing that was there can be trusted


@pytest.mark.parametrize(("bad", "max_tokens"), [(0, 1), (1, 1), (0, 3), (1, 3), (2, 3), (3, 3)])
def test_an_answer_without_a_distribution_fails_its_request_only(
    front, bad: int, max_tokens: int
) -> None:
    draws = iter(range(100))
    front.backend.poison = lambda history: history[:2] == [5, 9] and next(draws) == bad
    front.submit(1, [6, 9], max_tokens=max_tokens)
    heard = front.submit(2, [5, 9], n=2, max_tokens=max_tokens)
    front.settle()
    (failed,) = heard.failed
    assert "NaN" in failed.message
    assert 0 in front.heard[1].finished
    assert [5, 9] not in [held[:2] for held in front.backend.held]  # nobody shall go on from there


def test_closing_fails_what_is_under_way_and_frees_the_model(front) -> None:
    front.submit(1, [5])
    front.scheduler.step()
    front.submit(2, [6])
    front.scheduler.close("unloaded")
    assert [front.heard[id].failed for id in (1, 2)] == [
        [Failed(1, "unloaded")],
        [Failed(2, "unloaded")],
    ]
    assert front.backend.closed
    front.scheduler.step()  # a pass that was already decided on does nothing


def test_native_time_is_counted(front) -> None:
    front.submit(1, [5])
    front.settle()
    assert front.tally.native_s == pytest.approx(0.001 * len(front.backend.passes))


def test_threads_reach_the_model(front) -> None:
    front.scheduler.set_threads(3)
    assert front.backend.threads == 3


def test_threads_that_stay_are_not_set_again(front) -> None:
    front.scheduler.set_threads(3)
    front.backend.set_threads = None
    front.scheduler.set_threads(3)


def test_tokens_are_counted(front) -> None:
    front.submit(1, SYSTEM, max_tokens=3)
    front.settle()
    front.submit(2, [*SYSTEM, 9], max_tokens=5, n=2)
    front.settle()
    assert front.tally.drawn == 3 + 2 * 5
    assert front.tally.read == 40 + 1 + 1  # what was cached was not read
    assert 0 < front.tally.read_s < front.tally.native_s


def test_prompts_are_read_in_portions(front) -> None:
    front.scheduler.budget.most = 7
    front.submit(1, LONG)
    front.submit(2, OTHER)
    front.settle()
    for one in front.backend.passes:
        assert sum(count for _, count in one if count > 1) <= 7


def test_time_only_grows(front) -> None:
    front.submit(1, LONG, n=3)
    front.settle()
    ends = [end.timings for end in front.heard[1].finished.values()]
    assert all(a.queue_s <= b.queue_s for a, b in pairwise(ends))
