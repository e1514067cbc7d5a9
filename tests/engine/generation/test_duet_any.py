"""Whatever two models say by turns, each holds what was said, and says what it alone would."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from duo import SWITCH, Duo, Script
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_rt.core.decoding import Gating, Mode, Sampling
from edge_rt.decoding.gate import GateVerdict

VOCAB = 38
verdicts = st.sampled_from(
    [GateVerdict(True, "small"), GateVerdict(True, "large"), GateVerdict(False, "large")]
)
scripts = st.lists(verdicts, min_size=1, max_size=12)
openers = st.sampled_from(["small", "large"])
samplings = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.7, 1.3]),
    top_k=st.sampled_from([0, 5]),
    repeat_penalty=st.sampled_from([1.0, 1.2]),
    presence_penalty=st.sampled_from([0.0, 0.5]),
    seed=st.integers(0, 2**63),
)
requests = st.fixed_dictionaries(
    {
        "prompt": st.lists(st.integers(2, 20), min_size=1, max_size=50),
        "sampling": samplings,
        "max_tokens": st.none() | st.integers(1, 30),
        "n": st.integers(1, 3),
        "stop": st.lists(st.sampled_from(["a", "ab", "bc", "é", "\ufffd", " a"]), max_size=2),
        "ignore_eos": st.booleans(),
        "fresh": st.booleans(),
    }
)
drafted = st.builds(
    Mode,
    st.sampled_from(["speculative", "lookup"]),
    st.just("small"),
    drafts=st.integers(1, 20),
)
shapes = st.fixed_dictionaries(
    {
        "sequences": st.integers(1, 4),
        "batch": st.integers(4, 40),
        "outputs": st.integers(0, 16),
        "recurrent": st.booleans(),
    }
)
steps = st.lists(st.integers(0, 6), min_size=1, max_size=8)


@settings(max_examples=5 * settings().max_examples // 2)
@given(
    script=scripts,
    opens=openers,
    asked=st.lists(requests, min_size=1, max_size=4),
    pauses=steps,
    large=shapes,
    small=shapes,
    chunk=st.integers(1, 24),
)
def test_every_answer_is_what_the_script_makes_of_it(
    toy: Callable,
    new_duo: Callable[..., Duo],
    new_request: Callable,
    reference_of_two: Callable,
    script: list[GateVerdict],
    opens: str,
    asked: list[dict],
    pauses: list[int],
    large: dict,
    small: dict,
    chunk: int,
) -> None:
    duo = new_duo(toy(**large), toy(quirk=1, **small), chunk=chunk)
    made = [new_request(id, mode=SWITCH, **fields) for id, fields in enumerate(asked)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge_rt.engine.generation.modes.make_gate", lambda *_: Script(script, opens))
        for request, pause in zip(made, pauses * 4, strict=False):
            duo.submit(request)
            for _ in range(pause):
                duo.step()
    duo.settle()
    for request in made:
        heard = duo.heard[request.id]
        for index in range(request.n):
            text, tokens, *end = heard.outcome(index)
            expected = reference_of_two(request, index, Script(script, opens))
            assert (text, [token % VOCAB for token in tokens], *end) == expected
            counts = heard.finished[index].made
            assert counts.large == sum(token < VOCAB for token in tokens)
            assert counts.small == sum(token >= VOCAB for token in tokens)


@settings(max_examples=5 * settings().max_examples // 2)
@given(
    modes=st.lists(drafted | st.none(), min_size=1, max_size=4),
    asked=st.lists(requests, min_size=4, max_size=4),
    pauses=steps,
    quirk=st.integers(0, 1),
    cost_s=st.sampled_from([0.0, 0.02]),
    large=shapes,
    small=shapes,
    chunk=st.integers(1, 24),
)
def test_every_drafted_answer_is_the_large_models_own(
    toy: Callable,
    new_duo: Callable[..., Duo],
    new_request: Callable,
    reference: Callable,
    modes: list[Mode | None],
    asked: list[dict],
    pauses: list[int],
    quirk: int,
    cost_s: float,
    large: dict,
    small: dict,
    chunk: int,
) -> None:
    duo = new_duo(toy(**large), toy(quirk=quirk, **small), chunk=chunk)
    forward = duo.backends["toy"].forward

    def costly() -> None:
        forward()
        duo.now += cost_s

    duo.backends["toy"].forward = costly
    made = [
        new_request(id, mode=mode, **fields)
        for id, (mode, fields) in enumerate(zip(modes, asked, strict=False))
    ]
    for request, pause in zip(made, pauses * 4, strict=False):
        duo.submit(request)
        for _ in range(pause):
            duo.step()
    duo.settle()
    for request in made:
        for index in range(request.n):
            assert duo.heard[request.id].outcome(index) == reference(request, index)


@settings(max_examples=100)
@given(
    script=scripts,
    mode=st.sampled_from([SWITCH, Mode("switch", "small", gating=Gating("entropy"))]),
    fields=requests,
    cancels=st.lists(st.integers(0, 60), max_size=3),
    shape=shapes,
)
def test_whoever_is_cancelled_leaves_both_models_as_if_never_seen(
    toy: Callable,
    new_duo: Callable[..., Duo],
    new_request: Callable,
    script: list[GateVerdict],
    mode: Mode,
    fields: dict,
    cancels: list[int],
    shape: dict,
) -> None:
    duo = new_duo(toy(**shape), toy(quirk=1, **shape))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge_rt.engine.generation.modes.make_gate", lambda *_: Script(script))
        for id in range(4):
            duo.submit(new_request(id, mode=mode, **fields))
    for id, pause in enumerate(cancels):
        for _ in range(pause):
            duo.step()
        duo.roster.cancel(id)
    duo.settle()
    for id in range(len(cancels), 4):
        assert len(duo.heard[id].finished) == fields["n"]
