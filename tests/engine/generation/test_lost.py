"""An engine is lost at any moment, and the next one makes of the answer what it would have been."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from duo import LARGE_PIECES, Duo
from heard import Heard, Listener
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edge_rt.core.decoding import Gating, Mode, Sampling
from edge_rt.core.events import Started
from edge_rt.engine.protocol import Generate

pytestmark = pytest.mark.slow  # thousands of answers

GREEDY = Sampling(temperature=0.0, top_logprobs=1)
SAMPLED = Sampling(temperature=0.9, seed=6, repeat_penalty=1.2, presence_penalty=0.4)
MIDDLE = 4.15  # a threshold about which toy models turn, in bits
STEPS = [b"a\n\n", b"bc\n\n", b" d\n\n", b"e\n\n", b"f \n\n", b"g\n\n"]
ONE = [*LARGE_PIECES, *STEPS, *(bytes([letter]) for letter in b"ijklmnopqrstuvwxyz.,")]
Engines = Callable[[], Duo]


def maker(
    text_toy: Callable,
    new_duo: Callable[..., Duo],
    *,
    holds: int = 96,
    pause_s: float = 0.0,
) -> Engines:
    """Makes engines of two toy models; the small one `holds` so many tokens.

    They tell nothing for `pause_s` after they told something.
    """

    def make() -> Duo:
        large = text_toy(pieces=ONE, outputs=6)
        engine = new_duo(large, text_toy(pieces=ONE, quirk=1, context=holds))
        engine.roster._outbox._pause_s = pause_s
        return engine

    return make


def go_on(engine: Duo, client: Listener, asked: Generate, most: int | None = None) -> None:
    """Have an engine go on from what the client heard, for so many steps or to the end."""
    heard = client.heard[asked.id]
    engine.submit(replace(asked, **heard.so_far()))
    while engine.busy and (most is None or most > 0):
        engine.step()
        most = None if most is None else most - 1
    for event in engine.events:
        if not isinstance(event, Started) or not heard.started:
            client.hear(event)


def whole(engines: Engines, asked: Generate) -> Heard:
    """Return what is heard of it where no engine is lost."""
    client = Listener()
    go_on(engines(), client, asked)
    return client.heard[asked.id]


def same(one: Heard, other: Heard, count: int, *, work: bool) -> None:
    for index in range(count):
        assert one.outcome(index) == other.outcome(index)
        assert one.logprobs[index] == other.logprobs[index]
        made, again = one.finished[index].made, other.finished[index].made
        assert made is not None
        assert again is not None
        assert (made.small, made.large, made.switches) == (again.small, again.large, again.switches)
        assert made == again or not work


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED])
@pytest.mark.parametrize("how", [{}, {"threshold": MIDDLE}, {"share": 0.4}])
def test_wherever_it_is_lost_the_answer_is_the_same(
    text_toy: Callable,
    new_duo: Callable[..., Duo],
    new_request: Callable,
    how: dict[str, Any],
    sampling: Sampling,
) -> None:
    engines = maker(text_toy, new_duo)
    mode = Mode("switch", "small", gating=Gating(**how), drafts=4)
    asked = new_request(1, "ab cd", max_tokens=30, sampling=sampling, mode=mode)
    expected = whole(engines, asked)
    lost, told = engines(), 0
    lost.submit(asked)
    while lost.busy:
        lost.step()
        if len(lost.heard[1].tokens[0]) > told:
            told = len(lost.heard[1].tokens[0])
            client = Listener()
            client.heard[1] = deepcopy(lost.heard[1])
            go_on(engines(), client, asked)
            same(client.heard[1], expected, 1, work=False)
    assert told == 30


gatings = st.builds(
    Gating,
    st.none() | st.floats(0.7 * MIDDLE, 1.3 * MIDDLE),
    st.none() | st.floats(0.0, 1.0),
    st.integers(1, 6),
)
turns = st.builds(lambda gating: Mode("switch", "small", gating=gating, drafts=4), gatings)
drafted = st.builds(
    Mode, st.sampled_from(["speculative", "lookup"]), st.just("small"), drafts=st.integers(1, 8)
)
samplings = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.7, 1.3]),
    repeat_penalty=st.sampled_from([1.0, 1.2]),
    seed=st.integers(0, 2**63),
    top_logprobs=st.sampled_from([None, 1]),
)


@settings(max_examples=3 * settings().max_examples)
@given(
    mode=turns | drafted,
    fields=st.fixed_dictionaries(
        {
            "sampling": samplings,
            "max_tokens": st.none() | st.integers(1, 60),
            "n": st.integers(1, 3),
            "stop": st.lists(st.sampled_from(["a", "ab c", "é", "\n\n", " a"]), max_size=2),
            "ignore_eos": st.booleans(),
        }
    ),
    losses=st.lists(st.integers(0, 60), min_size=1, max_size=4),
    holds=st.sampled_from([30, 96]),
    pause_s=st.sampled_from([0.0, 0.02]),
)
def test_however_often_it_is_lost_the_answers_are_the_same(
    text_toy: Callable,
    new_duo: Callable[..., Duo],
    new_request: Callable,
    mode: Mode,
    fields: dict[str, Any],
    losses: list[int],
    holds: int,
    pause_s: float,
) -> None:
    if mode.label == "switch:entropy":
        fields["n"] = 1  # answers that share a pass cut each other's drafts
    asked = new_request(1, "ab cd", mode=mode, **fields)
    engines = maker(text_toy, new_duo, holds=holds, pause_s=pause_s)
    client = Listener()
    for steps in [*losses, None]:
        go_on(engines(), client, asked, steps)
    expected = whole(engines, asked)
    same(client.heard[1], expected, asked.n, work=False)


@settings(max_examples=2 * settings().max_examples)
@given(
    mode=turns,
    told=st.lists(st.integers(0, 200), max_size=12),
    seen=st.lists(st.floats(0.0, 4.0) | st.just(math.inf), max_size=20),
)
def test_an_answer_is_made_whatever_was_told_of_it(
    text_toy: Callable,
    new_duo: Callable[..., Duo],
    new_request: Callable,
    mode: Mode,
    told: list[int],
    seen: list[float],
) -> None:
    """An older front keeps nothing that was judged by, and another form may hold fewer tokens."""
    whole = [token for token, piece in enumerate([*ONE, *ONE]) if piece.isascii()]  # characters
    told = [whole[token % len(whole)] for token in told]
    engine = maker(text_toy, new_duo, holds=30)()
    resumed = {"resume": {0: told}, "seen": {0: seen}}
    heard = engine.submit(new_request(1, "ab cd", max_tokens=20, mode=mode, **resumed))
    engine.settle()
    made = heard.finished[0].made
    assert made.small + made.large == 20
    assert len(told) + len(heard.tokens[0]) == 20
