"""An answer is wholly that of the small model or, where doubt shows early, of the large one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from duo import Duo
from msgspec.structs import replace

from edge_rt.decoding.params import Gating, Made, Mode, Sampling
from edge_rt.engine.protocol import StepOutput

PROMPT = [8 + i * 7 % 25 for i in range(30)]
SURE, NEVER_SURE = 1e9, 0.0
SAMPLINGS = [
    Sampling(temperature=0.0),
    Sampling(temperature=0.0, repeat_penalty=1.3, presence_penalty=0.5, top_logprobs=2),
    Sampling(temperature=0.8, top_p=0.8, frequency_penalty=0.4, logit_bias={9: 2.0}, seed=4),
]


def early(threshold: float, first: int = 6) -> Mode:
    return Mode("switch", "small", gating=Gating("early", threshold, first=first))


@pytest.fixture
def duo(new_duo: Callable[..., Duo], toy: Callable) -> Duo:
    return new_duo(toy(outputs=16))


def answer(duo: Duo, request: Any) -> Any:
    heard = duo.submit(request)
    duo.settle()
    return heard


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("first", [1, 6, 40, 100])
def test_in_doubt_the_answer_is_that_of_the_large_model_alone(
    duo: Duo, new_request: Callable, reference: Callable, sampling: Sampling, first: int
) -> None:
    asked = new_request(1, PROMPT, max_tokens=40, sampling=sampling, mode=early(NEVER_SURE, first))
    heard = answer(duo, asked)
    assert heard.outcome() == reference(asked, 0)
    made = heard.finished[0].made
    assert (made.large, made.small, made.switches) == (40, 0, 1)
    assert made.accepted + made.rejected <= min(first, 40)
    assert made.rejected > 0 or first == 1


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_else_it_is_that_of_the_small_one_alone_and_the_large_one_reads_nothing(
    duo: Duo, new_duo: Callable, new_request: Callable, sampling: Sampling
) -> None:
    asked: dict[str, Any] = {"max_tokens": 40, "sampling": sampling}
    heard = duo.submit(new_request(1, PROMPT, mode=early(SURE), **asked))
    tried = duo.backends["toy"].fed  # to find out whether it reads drafts exactly
    duo.settle()
    other = new_duo()
    alone = other.submit(replace(new_request(1, PROMPT, **asked), model="small"))
    other.settle()
    assert heard.outcome()[0] == alone.outcome()[0]
    assert heard.logprobs[0] == alone.logprobs[0]
    assert heard.finished[0].made == Made(small=40)
    assert duo.backends["toy"].fed == tried


def test_what_the_large_model_would_have_written_spares_it_passes(
    toy: Callable, new_duo: Callable, new_request: Callable
) -> None:
    duo = new_duo(toy(outputs=16), toy())  # of the same mind
    heard = duo.submit(new_request(1, PROMPT[:4], max_tokens=20, mode=early(NEVER_SURE, 8)))
    passes = duo.backends["toy"].passes
    tried = len(passes)  # to find out whether drafts are read exactly
    duo.settle()
    assert heard.finished[0].made == Made(large=20, switches=1, accepted=7)
    assert len(passes) - tried == 20 - 7


def test_nothing_is_told_before_it_is_decided(duo: Duo, new_request: Callable) -> None:
    answer(duo, new_request(1, PROMPT, max_tokens=20, mode=early(SURE, 6)))
    told = [
        delta for event in duo.events if isinstance(event, StepOutput) for delta in event.deltas
    ]
    assert len(told[0].tokens) == 6


def test_a_short_answer_is_judged_by_what_there_is_of_it(
    duo: Duo, new_request: Callable, reference: Callable
) -> None:
    asked = new_request(1, PROMPT, max_tokens=3, mode=early(NEVER_SURE, 50))
    assert answer(duo, asked).outcome() == reference(asked, 0)


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_draft_is_cut_to_what_a_pass_may_carry(
    toy: Callable, new_duo: Callable, new_request: Callable, reference: Callable, outputs: int
) -> None:
    duo = new_duo(toy(sequences=1, batch=6, outputs=outputs), toy(), chunk=3)
    asked = new_request(1, PROMPT, max_tokens=30, mode=early(NEVER_SURE, 9))
    assert answer(duo, asked).outcome() == reference(asked, 0)


@pytest.mark.parametrize("threshold", [SURE, NEVER_SURE])
@pytest.mark.parametrize("told", [7, 20, 40])
def test_another_engine_goes_on_as_was_decided(
    toy: Callable, new_duo: Callable, new_request: Callable, threshold: float, told: int
) -> None:
    def made(threshold: float, **resumed: Any) -> Any:
        asked = new_request(1, PROMPT, max_tokens=40, mode=early(threshold), **resumed)
        return answer(new_duo(toy(outputs=16)), asked)

    whole = made(threshold)
    tokens = whole.tokens[0]
    # The other engine would decide otherwise.
    rest = made(SURE - threshold, resume={0: tokens[:told]}, made={0: whole.finished[0].made})
    assert [*tokens[:told], *rest.tokens.get(0, [])] == tokens
    assert rest.finished[0].made.small == whole.finished[0].made.small
    assert rest.finished[0].made.switches == whole.finished[0].made.switches
