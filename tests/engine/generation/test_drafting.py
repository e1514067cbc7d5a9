"""Drafts make an answer come sooner, never another one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from duo import SPECULATIVE, Duo

from edge_rt.core.decoding import Gating, Made, Mode, Sampling
from edge_rt.core.events import Delta
from edge_rt.engine.generation.drafting import LookupSource
from edge_rt.engine.protocol import SetLimits, StepOutput

PROMPT = [8 + i * 7 % 25 for i in range(30)]
LOOKUP = Mode("lookup")
VOCAB = 38


def gated(threshold: float, **more: Any) -> Mode:
    return Mode("switch", "small", gating=Gating(threshold, **more), drafts=4)


def slow(duo: Duo, seconds: float = 0.05) -> None:
    """Have the large model's passes take `seconds`, beside which the small one's are nothing."""
    backend = duo.backends["toy"]
    forward = backend.forward

    def timed() -> None:
        forward()
        duo.now += seconds

    backend.forward = timed


def forgetful(backend: Any) -> Any:
    """Have a toy model look at the last token only, so that greedy texts run in circles."""
    of = backend._of
    backend._of = lambda history: of(history[-1:])
    return backend


@pytest.fixture
def duo(new_duo: Callable[..., Duo], toy: Callable) -> Duo:
    made = new_duo(toy(outputs=16))
    slow(made)
    return made


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0.0),
        Sampling(temperature=0.0, repeat_penalty=1.3, presence_penalty=0.5),
        Sampling(temperature=1.0, seed=8),
        Sampling(temperature=1.5, top_p=0.7, min_p=0.01, seed=2),
        Sampling(temperature=0.8, top_p=0.8, frequency_penalty=0.4, logit_bias={9: 2.0}, seed=4),
    ],
)
@pytest.mark.parametrize("mode", [SPECULATIVE, LOOKUP])
def test_the_answer_is_that_of_the_large_model_alone(
    duo: Duo, new_request: Callable, reference: Callable, sampling: Sampling, mode: Mode
) -> None:
    asked = new_request(1, PROMPT, max_tokens=60, sampling=sampling, mode=mode)
    heard = duo.submit(asked)
    duo.settle()
    assert heard.outcome() == reference(asked, 0)
    made = heard.finished[0].made
    assert (made.large, made.small, made.switches) == (60, 0, 0)
    assert made.accepted > 0 or mode is LOOKUP or sampling.temperature


def test_reading_a_prompt_counts_by_the_token_and_not_as_a_guess(
    duo: Duo, new_request: Callable
) -> None:
    backend, times = duo.backends["small"], duo.roster.get("toy")._factory._modes._learnt
    forward = backend.forward

    def timed() -> None:
        duo.now += 0.001 * backend.batch.size
        forward()

    backend.forward = timed
    duo.submit(new_request(1, PROMPT, max_tokens=40, mode=SPECULATIVE))
    duo.settle()
    assert times["small"].times.read.value == pytest.approx(0.001, rel=0.1)
    assert times["small"].times.draft.value < 0.01


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_model_of_the_same_mind_is_always_right(
    toy: Callable, new_duo: Callable, new_request: Callable, temperature: float
) -> None:
    duo = new_duo(toy(outputs=16), toy())
    slow(duo)
    sampling = Sampling(temperature=temperature, seed=7)
    heard = duo.submit(new_request(1, PROMPT, max_tokens=60, sampling=sampling, mode=SPECULATIVE))
    tried = len(duo.backends["toy"].passes)
    duo.settle()
    made = heard.finished[0].made
    assert made.accepted > 40
    assert made.rejected < 8  # what the text itself suggested
    assert len(duo.backends["toy"].passes) - tried < 20


def test_logprobs_are_those_of_the_large_model(
    duo: Duo, new_duo: Callable, new_request: Callable
) -> None:
    sampling = Sampling(seed=3, top_logprobs=2)
    alone = new_duo()
    expected = alone.submit(new_request(1, PROMPT, max_tokens=40, sampling=sampling))
    alone.settle()
    heard = duo.submit(new_request(1, PROMPT, max_tokens=40, sampling=sampling, mode=SPECULATIVE))
    duo.settle()
    assert heard.logprobs[0] == expected.logprobs[0]


def test_a_draft_from_the_text_ends_where_an_answer_ended() -> None:
    backend = SimpleNamespace(ends=lambda token: token == 0)
    sequence: Any = SimpleNamespace(text=[1, 2, 3, 4, 0, 5, 6, 1, 2], backend=backend, spent_s=1.0)
    everything: Any = SimpleNamespace(read=lambda seconds: None, cut=len)
    guesses = LookupSource(sequence, everything).draft(most=8, left=8)
    with pytest.raises(StopIteration) as done:
        next(guesses)
    assert done.value.value == [3, 4, 0]


def test_a_text_that_repeats_itself_is_drafted_from_itself(
    toy: Callable, new_duo: Callable, new_request: Callable
) -> None:
    duo = new_duo(forgetful(toy(outputs=16)))
    slow(duo)
    asked = new_request(1, PROMPT[:5], max_tokens=80, mode=LOOKUP)
    heard = duo.submit(asked)
    duo.settle()
    alone = new_duo(forgetful(toy()))
    expected = alone.submit(new_request(1, PROMPT[:5], max_tokens=80))
    alone.settle()
    assert heard.outcome() == expected.outcome()
    assert heard.finished[0].made.accepted > 30
    assert len(duo.backends["toy"].passes) < 50
    assert not duo.backends["small"].fed


@pytest.mark.parametrize("sampling", [Sampling(temperature=0.0), Sampling(seed=3)])
def test_what_a_client_was_answered_drafts_for_it_alone(
    toy: Callable, new_duo: Callable, new_request: Callable, sampling: Sampling
) -> None:
    duo = new_duo(toy(outputs=16))
    slow(duo)

    def ask(id: int, client: str | None) -> tuple[Any, int, int]:
        """Return an answer, how many drafted tokens are in it, and the passes that it took."""
        before = len(duo.backends["toy"].passes)
        how: dict[str, Any] = {"sampling": sampling, "mode": LOOKUP, "client": client}
        heard = duo.submit(new_request(id, PROMPT, max_tokens=60, fresh=True, **how))
        duo.settle()
        made, passes = heard.finished[0].made, len(duo.backends["toy"].passes)
        return heard.outcome(), made.accepted, passes - before

    ask(0, None)  # which tries how much is read exactly
    expected, own, alone = ask(1, None)
    assert ask(2, None) == (expected, own, alone)  # of nobody, nothing is kept
    assert ask(3, "one") == (expected, own, alone)
    outcome, accepted, passes = ask(4, "one")
    assert outcome == expected
    assert accepted > 40
    assert passes < alone // 2
    assert ask(5, "other") == (expected, own, alone)


def test_texts_of_the_latest_clients_are_kept(duo: Duo, new_request: Callable) -> None:
    modes = duo.scheduler()._factory._modes
    for id, client in enumerate("abcdaefga"):
        duo.submit(new_request(id, PROMPT, max_tokens=4, mode=LOOKUP, client=client))
        duo.settle()
    assert [*modes._pools] == ["e", "f", "g", "a"]


def test_drafts_that_do_not_pay_are_not_made(new_duo: Callable, new_request: Callable) -> None:
    duo = new_duo()  # a pass of the small model takes as long as one of the large
    duo.submit(new_request(1, PROMPT[:4], max_tokens=90, mode=SPECULATIVE))
    duo.settle()
    assert len(duo.backends["small"].passes) < 20


@pytest.mark.parametrize("mode", [SPECULATIVE, gated(100.0)])
def test_what_was_counted_counts_on_in_another_engine(
    toy: Callable, new_duo: Callable, new_request: Callable, mode: Mode
) -> None:
    def answer(**resumed: Any) -> tuple[Made, list[Delta]]:
        duo = new_duo(toy(outputs=16))
        slow(duo)
        sampling = Sampling(temperature=0.0)
        asked = new_request(1, PROMPT, max_tokens=60, sampling=sampling, mode=mode, **resumed)
        heard = duo.submit(asked)
        duo.settle()
        told = [
            delta for event in duo.events if isinstance(event, StepOutput) for delta in event.deltas
        ]
        return heard.finished[0].made, told

    whole, told = answer()
    assert told[-1].made == whole
    half = told[: len(told) // 2]
    tokens, made = [token for delta in half for token in delta.tokens], half[-1].made
    assert 0 < made.accepted + made.rejected < whole.accepted + whole.rejected
    (rest, _), (counted, _) = answer(resume={0: tokens}), answer(resume={0: tokens}, made={0: made})
    assert counted.accepted == made.accepted + rest.accepted
    assert counted.rejected == made.rejected + rest.rejected
    assert counted.small + counted.large == 60
    assert made.catch_up < counted.catch_up <= made.catch_up + 60 - len(tokens)
    everything = [token for delta in told for token in delta.tokens]
    assert answer(resume={0: everything}, made={0: whole}) == (whole, [])


@pytest.mark.parametrize("outputs", [1, 2, 4])
@pytest.mark.parametrize("chunk", [1, 3, 16])
def test_drafts_are_cut_to_what_a_pass_may_carry(
    toy: Callable,
    new_duo: Callable,
    new_request: Callable,
    reference: Callable,
    outputs: int,
    chunk: int,
) -> None:
    duo = new_duo(toy(sequences=1, batch=6, outputs=outputs), toy(), chunk=chunk)
    slow(duo)
    duo.roster.limits = SetLimits(1, prefill_chunk=chunk)
    asked = new_request(1, PROMPT, max_tokens=40, sampling=Sampling(seed=2), mode=SPECULATIVE)
    heard = duo.submit(asked)
    duo.settle()
    assert heard.outcome() == reference(asked, 0)
    made = heard.finished[0].made
    assert (made.accepted > 0) == (outputs > 1)


def test_drafts_of_several_answers_share_what_is_kept_of_a_pass(
    toy: Callable, new_duo: Callable, new_request: Callable, reference: Callable
) -> None:
    duo = new_duo(toy(sequences=3, outputs=5), toy())
    slow(duo)
    asked = [
        new_request(i, [i + 4, 9], max_tokens=40, sampling=Sampling(seed=i), mode=SPECULATIVE)
        for i in range(3)
    ]
    for request in asked:
        duo.submit(request)
    duo.settle()
    for request in asked:
        assert duo.heard[request.id].outcome() == reference(request, 0)


# --- the entropy gate


@pytest.fixture
def alike(new_duo: Callable[..., Duo], toy: Callable) -> Duo:
    """Two models of the same mind."""
    made = new_duo(toy(outputs=16), toy())
    slow(made)
    return made


def test_a_sure_small_model_writes_and_the_large_one_reads_it_at_once(
    alike: Duo, new_request: Callable
) -> None:
    heard = alike.submit(new_request(1, PROMPT, max_tokens=51, mode=gated(100.0)))
    alike.settle()
    made = heard.finished[0].made
    assert (made.large, made.small) == (11, 40)  # one of its own behind each four
    assert (made.accepted, made.rejected, made.switches) == (40, 0, 20)
    assert made.threshold == 100.0
    marks = [token >= VOCAB for token in heard.tokens[0]]
    assert marks == [False, *[True, True, True, True, False] * 10]


def test_an_unsure_small_model_writes_nothing(
    alike: Duo, new_request: Callable, reference: Callable
) -> None:
    asked = new_request(1, PROMPT, max_tokens=50, mode=gated(0.0))
    heard = alike.submit(asked)
    alike.settle()
    assert heard.outcome() == reference(asked, 0)
    assert heard.finished[0].made.large == 50


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_the_share_that_was_asked_for_is_reached(
    new_duo: Callable[..., Duo], toy: Callable, new_request: Callable, share: float
) -> None:
    duo = new_duo(toy(outputs=16, context=1024), toy(context=1024))
    slow(duo)
    mode = Mode("switch", "small", gating=Gating(share=share))
    heard = duo.submit(new_request(1, PROMPT, max_tokens=400, mode=mode))
    duo.settle()
    assert heard.finished[0].made.large / 400 == pytest.approx(share, abs=0.05)
