"""Answers under a constraint keep to it, in every mode, and are the same however they are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import deepcopy
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from duo import SPECULATIVE, SWITCH, Duo
from heard import Heard, Listener
from msgspec.structs import replace
from stopping import stop

from edge_rt.core.decoding import Constraint, Gating, Mode, Sampling
from edge_rt.core.errors import Unavailable
from edge_rt.core.events import Started
from edge_rt.decoding.constraints.grammars import Grammars
from edge_rt.decoding.constraints.matcher import Matcher
from edge_rt.engine.protocol import Generate

LOOKUP = Mode("lookup")
REGEX = r"the (cat|dog|dragonfly)( [a-e]{2,5}){1,4}[.]"
OF_TWO = r"(ab|h )([a-e]{2,5}\n){1,3}h"
GREEDY = Sampling(temperature=0.0)
SAMPLINGS = [
    GREEDY,
    Sampling(temperature=0.0, top_logprobs=2),
    Sampling(temperature=1.0, seed=3),
    Sampling(temperature=1.3, seed=5, repeat_penalty=1.3, presence_penalty=0.4, top_p=0.9),
    Sampling(temperature=0.7, seed=8, logit_bias={9: 2.0}, top_logprobs=0),
]
MODES = [
    None,
    LOOKUP,
    SPECULATIVE,
    SWITCH,
    Mode("switch", "small", gating=Gating(1.0), drafts=4),
]
WORDS = "the cat and the dog"


def name_of(value: Any) -> str | None:
    return value.label if isinstance(value, Mode) else None


def asked(new_request: Callable, pattern: str = REGEX, **changes: Any) -> Generate:
    """A request that may end by itself."""
    fields = {"max_tokens": 60, "ignore_eos": False, "sampling": GREEDY, **changes}
    return new_request(1, "ab cd", constraint=Constraint("regex", pattern), **fields)


@pytest.fixture(scope="module", autouse=True)
def _servers() -> Generator[None]:
    """Have engines of the same vocabulary share the process that has it: each takes 0.2 s."""
    kept: dict[tuple[bytes, ...], Any] = {}
    start = Grammars._start

    def shared(self: Grammars) -> Any:
        vocabulary = tuple(map(self._vocabulary.piece, range(self._vocabulary.vocab)))
        if vocabulary not in kept or not kept[vocabulary].server.alive:
            kept[vocabulary] = start(self)
        return kept[vocabulary]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Grammars, "_start", shared)
        yield
    for one in kept.values():
        one.server.close()


@pytest.fixture
def engine(new_duo: Callable[..., Duo], toy: Callable) -> Callable[[], Duo]:
    return lambda: new_duo(toy(outputs=8), toy(quirk=1))


def heard_of(engine: Duo, request: Generate) -> Heard:
    heard = engine.submit(request)
    engine.settle()
    assert not heard.failed
    return heard


def submit(front: Any, request: Generate) -> None:
    """Return what the engine does with a request: its constraint is compiled beforehand."""
    front.scheduler.grammars.compile(request.constraint)
    front.scheduler.submit(request)


def in_language(heard: Heard, index: int = 0, pattern: str = REGEX) -> bool:
    text, _, reason, _ = heard.outcome(index)
    return reason == "stop" and re.fullmatch(pattern, text) is not None


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("mode", MODES, ids=name_of)
def test_every_answer_keeps_to_the_constraint(
    engine: Callable[[], Duo], new_request: Callable, mode: Mode | None, sampling: Sampling
) -> None:
    heard = heard_of(engine(), asked(new_request, mode=mode, sampling=sampling, n=3))
    assert all(in_language(heard, index) for index in range(3))
    for index in range(3):
        cost = heard.finished[index].constraint
        assert cost is not None
        assert cost.forced >= 3  # "the"


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("mode", [LOOKUP, SPECULATIVE], ids=name_of)
def test_drafts_change_nothing(
    engine: Callable[[], Duo], new_request: Callable, mode: Mode, sampling: Sampling
) -> None:
    request = asked(new_request, sampling=sampling, n=2)
    alone, drafted = (heard_of(engine(), replace(request, mode=m)) for m in (None, mode))
    for index in range(2):
        assert drafted.outcome(index) == alone.outcome(index)
        assert drafted.logprobs[index] == alone.logprobs[index]


@pytest.mark.parametrize("mode", MODES, ids=name_of)
def test_log_probabilities_change_nothing_and_are_told_of_every_token(
    engine: Callable[[], Duo], new_request: Callable, mode: Mode | None
) -> None:
    sampling = Sampling(temperature=0.9, seed=4)
    request = asked(new_request, mode=mode, sampling=sampling)
    plain = heard_of(engine(), request)
    told = heard_of(engine(), replace(request, sampling=replace(sampling, top_logprobs=1)))
    assert told.texts[0] == plain.texts[0]
    assert b"".join(one.token for one in told.logprobs[0]).decode() == told.texts[0]


def test_forced_tokens_take_no_pass_of_their_own(
    new_front: Callable, new_request: Callable
) -> None:
    front = new_front()
    heard = front.heard[1]
    submit(front, asked(new_request, "a(dragonfly|xyzzy){3}"))
    front.settle()
    tokens, cost = len(heard.tokens[0]), heard.finished[0].constraint
    assert cost.forced >= 3 * 3
    assert len(front.backend.passes) <= tokens - cost.forced + 1


def test_the_end_of_the_grammar_is_the_end_whatever_the_request_says(
    new_front: Callable, new_request: Callable
) -> None:
    for ignore_eos in (False, True):
        front = new_front()
        submit(front, asked(new_request, "[ab]{2,4}", ignore_eos=ignore_eos))
        front.settle()
        assert in_language(front.heard[1], pattern="[ab]{2,4}")


def test_an_answer_that_is_cut_is_the_beginning_of_one(
    new_front: Callable, new_request: Callable
) -> None:
    for most in range(1, 12):
        front = new_front()
        submit(front, asked(new_request, "dragonfly([ab]{8})", max_tokens=most))
        front.settle()
        text, tokens, reason, _ = front.heard[1].outcome()
        assert (len(tokens), reason) == (most, "length")
        assert "dragonfly".startswith(text) or text.startswith("dragonfly")


def test_stop_strings_end_constrained_answers_too(
    new_front: Callable, new_request: Callable
) -> None:
    front = new_front()
    submit(front, asked(new_request, "dragonfly[ab]{8}", stop=["fly"]))
    front.settle()
    assert front.heard[1].outcome()[0::3] == ("dragon", "fly")


@pytest.mark.parametrize("sampling", [SAMPLINGS[1], SAMPLINGS[3]])
@pytest.mark.parametrize("mode", MODES, ids=name_of)
def test_wherever_the_engine_is_lost_the_answer_is_the_same(
    engine: Callable[[], Duo], new_request: Callable, mode: Mode | None, sampling: Sampling
) -> None:
    check_losses(engine, asked(new_request, mode=mode, sampling=sampling))


def check_losses(engine: Callable[[], Duo], request: Generate) -> None:
    """Whatever had been told when the engine was lost, another one makes the same answer."""
    expected, lost, told = heard_of(engine(), request), engine(), -1
    lost.submit(request)
    while lost.busy:
        lost.now += 1.0  # so that each step's tokens are sent at once
        lost.step()
        if len(lost.heard[1].tokens[0]) > told and not lost.heard[1].finished:
            told = len(lost.heard[1].tokens[0])
            client = Listener()
            client.heard[1] = deepcopy(lost.heard[1])
            go_on(engine(), client, request)
            assert client.heard[1].outcome() == expected.outcome()
    assert told > 5


def go_on(engine: Duo, client: Listener, request: Generate) -> None:
    heard = client.heard[request.id]
    engine.submit(replace(request, **heard.so_far()))
    engine.settle()
    for event in engine.events:
        if not isinstance(event, Started) or not heard.started:
            client.hear(event)


def test_what_cannot_be_compiled_fails_before_anything_is_said(
    new_front: Callable, new_request: Callable
) -> None:
    front = new_front()
    submit(front, asked(new_request, "a("))
    assert [(f.param, f.code) for f in front.heard[1].failed] == [
        ("response_format", "invalid_constraint")
    ]
    assert not front.heard[1].started


def test_others_go_on_while_what_may_come_next_is_not_known(
    new_front: Callable, new_request: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = new_front()
    submit(plain, asked(new_request))
    plain.settle()
    known, ready = list[bool](), Matcher.ready

    def late(self: Matcher, wait_s: float) -> bool:
        return bool(known) and ready(self, wait_s)

    monkeypatch.setattr(Matcher, "ready", late)
    front = new_front()
    submit(front, asked(new_request))
    front.scheduler.submit(new_request(2, "ab cd", max_tokens=8))
    while not front.heard[2].finished:
        front.scheduler.step()
    assert not front.heard[1].texts[0]
    known.append(True)
    front.settle()
    assert front.heard[1].outcome() == plain.heard[1].outcome()


def test_threads_share_the_grammars_of_a_model_and_get_none_after_its_end(
    new_front: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler, together, begin = new_front().scheduler, Barrier(2), Grammars.__init__

    def slowly(self: Grammars, *arguments: Any, **more: Any) -> None:
        with suppress(BrokenBarrierError):
            together.wait(0.2)  # for a second one that must not come
        begin(self, *arguments, **more)

    monkeypatch.setattr(Grammars, "__init__", slowly)
    with ThreadPoolExecutor(3) as threads:
        made = list(threads.map(lambda _: scheduler.grammars, range(3)))
    assert made[0] is made[1] is made[2]
    for one in (scheduler, new_front().scheduler):
        one.close("over")
        with pytest.raises(Unavailable, match="unloaded"):
            one.grammars.compile(Constraint("regex", REGEX))


def test_a_request_whose_grammar_has_ended_meanwhile_is_not_waited_for(
    new_front: Callable, new_request: Callable
) -> None:
    front = new_front()
    front.scheduler.submit(asked(new_request))  # and not a word to the grammars before
    assert [failed.code for failed in front.heard[1].failed] == ["unavailable"]


def test_a_grammar_that_stands_still_costs_its_request_alone(
    new_front: Callable, new_request: Callable
) -> None:
    front, request = new_front(), asked(new_request)
    submit(front, request)
    front.scheduler.submit(new_request(2, "ab cd", max_tokens=8))
    front.scheduler.step()
    matcher: Any = front.scheduler.grammars.compiled(request.constraint)
    stop(matcher._grammar.process.pid)
    front.settle()
    assert [failed.code for failed in front.heard[1].failed] == ["unavailable"]
    assert len(front.heard[2].tokens[0]) == 8
