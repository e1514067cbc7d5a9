"""Two models write one answer, beside others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from duo import SPECULATIVE, SWITCH, Duo

from edge_rt.core.decoding import Gating, Mode, Sampling
from edge_rt.core.errors import EngineError
from edge_rt.core.events import Finished, Started

PROMPT = [8 + i * 7 % 25 for i in range(30)]
VOCAB = 38


@pytest.fixture
def duo(new_duo: Callable[..., Duo]) -> Duo:
    return new_duo()


# --- one model alone


def test_an_answer_of_one_model_says_nothing_of_who_made_it(duo: Duo, new_request) -> None:
    heard = duo.submit(new_request(1, PROMPT))
    duo.settle()
    assert heard.finished[0].made is None


# --- turns


def test_a_model_that_cannot_go_back_reads_all_anew(
    toy: Callable, new_duo: Callable, new_request: Callable, reference: Callable
) -> None:
    duo = new_duo(toy(recurrent=True), toy(recurrent=True, quirk=1))
    asked = new_request(1, PROMPT, max_tokens=12, mode=SPECULATIVE)
    heard = duo.submit(asked)
    duo.settle()
    assert heard.outcome() == reference(asked, 0)


# --- beside others


def test_answers_of_one_model_and_of_two_do_not_disturb_each_other(
    toy: Callable,
    new_duo: Callable,
    new_request: Callable,
    reference: Callable,
) -> None:
    duo = new_duo(toy(sequences=6), toy(sequences=6, quirk=1))
    sampling = Sampling(seed=9)
    asked = [
        new_request(i, [i + 5, 9, *PROMPT[:i]], max_tokens=20, sampling=sampling, mode=mode)
        for i, mode in enumerate([None, SWITCH, SPECULATIVE, None, SWITCH, SPECULATIVE, SWITCH])
    ]
    own = new_request(50, [6, 7], max_tokens=20, sampling=sampling)
    for request in asked:
        duo.submit(request)
    small = duo.scheduler("small")
    small.submit(own)
    duo.settle()
    for request in asked:
        outcome = duo.heard[request.id].outcome()
        if request.mode is SWITCH:
            alone = new_duo(toy(sequences=6), toy(sequences=6, quirk=1))
            alone.submit(request)
            alone.settle()
            assert outcome == alone.heard[request.id].outcome()
        else:
            assert outcome == reference(request, 0)
    assert duo.heard[50].outcome() == reference(own, 0, quirk=1)
    assert max(len(one) for one in duo.backends["toy"].passes) > 2


@pytest.mark.parametrize("mode", [SWITCH, SPECULATIVE])
def test_several_answers_read_the_prompt_once_on_either_model(
    toy: Callable, new_duo: Callable, new_request: Callable, mode: Mode
) -> None:
    duo = new_duo(toy(sequences=4, outputs=16), toy(sequences=4), chunk=8)
    forward = duo.backends["toy"].forward

    def slow() -> None:  # so that drafts pay
        forward()
        duo.now += 0.05

    duo.backends["toy"].forward = slow
    asked = new_request(1, PROMPT, n=4, max_tokens=9, sampling=Sampling(seed=4), mode=mode)
    duo.submit(asked)
    duo.settle()
    assert duo.tally.read < 2 * 30 + 4 * 2 * 10
    assert all(backend.copies == 3 for backend in duo.backends.values())


def test_an_answer_waits_until_both_models_have_a_sequence(
    toy: Callable, new_duo: Callable, new_request: Callable
) -> None:
    duo = new_duo(toy(sequences=2), toy(sequences=1, quirk=1))
    duo.submit(new_request(1, PROMPT, mode=SWITCH))
    duo.submit(new_request(2, PROMPT, mode=SWITCH))
    duo.submit(new_request(3, PROMPT[5:]))
    duo.step()
    assert duo.roster.running == 1  # one is kept on the large model for the second
    assert duo.roster.waiting == 2
    duo.settle()
    started = [event.id for event in duo.events if isinstance(event, Started)]
    assert started == [1, 2, 3]


def test_others_of_its_partner_do_not_keep_an_answer_waiting_for_ever(
    toy: Callable, new_duo: Callable, new_request: Callable
) -> None:
    duo = new_duo(toy(), toy(sequences=1, quirk=1))
    small = duo.scheduler("small")
    small.submit(new_request(10, [5], max_tokens=20))
    duo.step()
    duo.submit(new_request(1, PROMPT, max_tokens=3, mode=SWITCH))
    for id in range(11, 15):
        small.submit(new_request(id, [id], max_tokens=5))
    duo.settle()
    started = [event.id for event in duo.events if isinstance(event, Started)]
    assert started == [10, 1, 11, 12, 13, 14]


def test_a_partner_serves_its_own_while_there_is_no_room_on_the_model(
    toy: Callable, new_duo: Callable, new_request: Callable
) -> None:
    duo = new_duo(toy(sequences=1), toy(sequences=1, quirk=1))
    duo.submit(new_request(1, PROMPT, max_tokens=60))
    duo.step()
    duo.submit(new_request(2, PROMPT, max_tokens=3, mode=SWITCH))
    for id in (3, 4):
        duo.scheduler("small").submit(new_request(id, [id + 3, 7], max_tokens=5))
    duo.settle()
    started = [event.id for event in duo.events if isinstance(event, Started)]
    assert started == [1, 3, 4, 2]


def test_pairs_the_other_way_round_do_not_wait_for_each_other(
    toy: Callable, new_duo: Callable, new_request: Callable
) -> None:
    duo = new_duo(toy(sequences=1), toy(sequences=1, quirk=1))
    back = Mode("switch", "toy", gating=Gating())
    for id in range(8):
        model = "toy" if id % 2 else "small"
        mode = SWITCH if id % 2 else back
        duo.scheduler(model).submit(new_request(id, [id + 3, 7], mode=mode))
    duo.settle()
    assert all(0 in duo.heard[id].finished for id in range(8))


# --- ends


@pytest.mark.parametrize("mode", [SWITCH, SPECULATIVE])
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 5, 6, 7, 8, 20])
def test_cancelling_at_any_time_frees_the_sequences_of_both(
    duo: Duo, new_request: Callable, mode: Mode, steps: int
) -> None:
    duo.submit(new_request(1, PROMPT, n=5, max_tokens=None, mode=mode))
    for _ in range(steps):
        duo.step()
    duo.roster.cancel(1)
    count = len(duo.events)
    assert not duo.busy
    duo.check_free()
    duo.step()
    assert duo.events[count:] == []


@pytest.mark.parametrize("mode", [SPECULATIVE])
def test_where_the_partners_context_is_full_the_model_goes_on_alone(
    toy: Callable, new_duo: Callable, new_request: Callable, reference: Callable, mode: Mode
) -> None:
    duo = new_duo(toy(context=96), toy(context=40, quirk=1))
    asked = new_request(1, PROMPT, max_tokens=None, mode=mode)
    heard = duo.submit(asked)
    duo.settle()
    assert heard.finished[0].reason == "length"
    assert len(heard.tokens[0]) == 96 - 30
    assert heard.finished[0].made.small <= 10
    if mode is SPECULATIVE:
        assert heard.outcome() == reference(asked, 0)


@pytest.mark.parametrize("which", ["toy", "small"])
def test_a_failed_pass_of_either_fails_the_request(
    duo: Duo, new_request: Callable, reference: Callable, which: str
) -> None:
    heard = duo.submit(new_request(1, PROMPT, max_tokens=30, mode=SWITCH))
    for _ in range(6):
        duo.step()
    duo.backends[which].failures.append(EngineError("no memory"))
    duo.settle()
    assert [failed.message for failed in heard.failed] == ["no memory"]
    asked = new_request(2, PROMPT)
    again = duo.submit(asked)
    duo.settle()
    assert again.outcome() == reference(asked, 0)


@pytest.mark.parametrize("which", ["toy", "small"])
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_model_that_is_unloaded_fails_what_it_was_to_make(
    duo: Duo, new_request: Callable, which: str, steps: int
) -> None:
    for id in range(5):
        duo.submit(new_request(id, PROMPT, max_tokens=30, mode=SWITCH))
    for _ in range(steps):
        duo.step()
    duo.roster.remove(which)
    assert not duo.busy
    duo.check_free()
    for id in range(5):
        assert [failed.message for failed in duo.heard[id].failed] == [f"{which} was unloaded"]


def test_a_partner_that_is_not_there(duo: Duo, new_request: Callable) -> None:
    mode = Mode("switch", "nobody", gating=Gating())
    (failed,) = duo.submit(new_request(1, PROMPT, mode=mode)).failed
    assert (failed.code, failed.retry_after_s) == ("not_loaded", 1.0)
    assert "nobody" in failed.message
    assert not duo.busy


@pytest.mark.parametrize(
    ("mode", "param"),
    [
        (Mode("switch", "toy", gating=Gating()), "edge.mode"),
        (Mode("switch", "small", [], Gating()), "prompt"),
    ],
)
def test_modes_that_cannot_be(duo: Duo, new_request: Callable, mode: Mode, param: str) -> None:
    (failed,) = duo.submit(new_request(1, PROMPT, n=2, mode=mode)).failed
    assert failed.param == param
    assert not duo.busy


# --- a lost engine


@pytest.mark.parametrize("mode", [SPECULATIVE, Mode("lookup")])
@pytest.mark.parametrize("kept", [0, 1, 7, 19])
def test_an_answer_goes_on_in_another_engine(
    new_duo: Callable, new_request: Callable, mode: Mode, kept: int
) -> None:
    fields: dict[str, Any] = {
        "max_tokens": 20,
        "sampling": Sampling(seed=6, presence_penalty=0.4),
        "mode": mode,
    }
    duo = new_duo()
    whole = duo.submit(new_request(1, PROMPT, **fields))
    duo.settle()
    duo = new_duo()
    tokens = whole.tokens[0]
    rest = duo.submit(new_request(1, PROMPT, resume={0: tokens[:kept]}, **fields))
    duo.settle()
    assert rest.tokens[0] == tokens[kept:]
    end = rest.finished[0]
    assert end.timings.completion_tokens == 20 - kept
    assert end.made.small + end.made.large == 20


def test_a_resumed_answer_knows_who_wrote_what(duo: Duo, new_request: Callable) -> None:
    told = [9 + VOCAB, 10, 11 + VOCAB]
    heard = duo.submit(new_request(1, PROMPT, max_tokens=6, resume={0: told}, mode=SWITCH))
    duo.settle()
    made = heard.finished[0].made
    assert (made.small + made.large, len(heard.tokens[0])) == (6, 3)
    assert made.small >= 2


# --- what it took


def test_both_models_work_is_the_requests(duo: Duo, new_request: Callable) -> None:
    duo.submit(new_request(1, PROMPT, max_tokens=20, mode=SWITCH))
    duo.settle()
    passes = sum(len(backend.passes) for backend in duo.backends.values())
    assert duo.spent[1] >= 0.001 * passes
    assert duo.tally.drawn == 20
    assert duo.tally.read >= 2 * 30  # each model reads the prompt


def test_work_is_told_before_the_end(duo: Duo, new_request: Callable) -> None:
    duo.submit(new_request(1, PROMPT, max_tokens=9, mode=SWITCH))
    duo.settle()
    assert isinstance(duo.events[-1], Finished)
