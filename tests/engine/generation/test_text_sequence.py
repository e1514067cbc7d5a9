"""Models that cut text into other tokens make an answer together, text by text."""

from __future__ import annotations

import codecs
from collections.abc import Callable

import pytest
from duo import LARGE_PIECES, SMALL_PIECES, SPECULATIVE, SWITCH, Duo, Script
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_rt.core.decoding import Gating, Mode, Sampling
from edge_rt.decoding.gate import GateVerdict
from edge_rt.decoding.sampler import SampledToken, Sampler
from edge_rt.engine.generation.factory import TextSequence

LARGE, SMALL = len(LARGE_PIECES), len(SMALL_PIECES)
verdicts = st.sampled_from(
    [GateVerdict(True, "small"), GateVerdict(True, "large"), GateVerdict(False, "large")]
)
texts = st.text("abcdefgh é\n", max_size=30)


@pytest.fixture
def duo(text_toy: Callable, new_duo: Callable) -> Duo:
    return pair(text_toy, new_duo)


def pair(text_toy: Callable, new_duo: Callable, **shape: int) -> Duo:
    return new_duo(
        text_toy(pieces=LARGE_PIECES, **shape), text_toy(pieces=SMALL_PIECES, quirk=1, **shape)
    )


def turns(tokens: list[int]) -> list[tuple[str, bytes]]:
    """Return who wrote what, from the tokens as they were told."""
    found: list[tuple[str, bytes]] = []
    for token in tokens:
        name = "small" if token >= LARGE else "large"
        piece = SMALL_PIECES[token - LARGE] if token >= LARGE else LARGE_PIECES[token]
        if found and found[-1][0] == name:
            piece = found.pop()[1] + piece
        found.append((name, piece))
    return found


@settings(max_examples=2 * settings().max_examples)
@given(
    script=st.lists(verdicts, min_size=1, max_size=10),
    seed=st.integers(0, 2**63),
    prompts=st.lists(texts.filter(bool), min_size=1, max_size=3),
    sequences=st.integers(1, 3),
)
def test_each_hears_all_that_the_other_said(
    text_toy: Callable,
    new_duo: Callable,
    new_request: Callable,
    script: list[GateVerdict],
    seed: int,
    prompts: list[str],
    sequences: int,
) -> None:
    duo = pair(text_toy, new_duo, sequences=sequences)
    gates: list[Script] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "edge_rt.engine.generation.modes.make_gate",
            lambda *_: gates.append(Script(script)) or gates[-1],
        )
        for id, prompt in enumerate(prompts):
            sampling = Sampling(seed=seed)
            duo.submit(new_request(id, prompt, max_tokens=30, sampling=sampling, mode=SWITCH))
    duo.settle()  # which checks what each has read against what was said
    for id in range(len(prompts)):
        heard, data = duo.heard[id], b""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for _, piece in turns(heard.tokens[0]):
            assert not decoder.getstate()[0], "a turn ended within a character"
            decoder.decode(piece)
            data += piece
        assert heard.texts[0] == data.decode(errors="replace")
        assert gates[id].pieces == data
        made = heard.finished[0].made
        assert made.small + made.large == 30
        assert made.switches == len(turns(heard.tokens[0])) - 1


def test_a_turn_may_end_in_front_of_white_space_and_behind_a_line(duo: Duo) -> None:
    backend = duo.backends["toy"]
    sequence = TextSequence(duo.scheduler(), [5], Sampler(Sampling(), seed=1))
    assert sequence.may_leave(None)  # at the beginning both are as far
    ends = {"ab": False, " a": False, "\n": True, "\n\n": True, "h ": False}
    for text, line in ends.items():
        sequence.append(SampledToken(backend.pieces.index(text.encode()), None, []))
        assert sequence.may_leave(None) == line
        assert sequence.may_leave(backend.pieces.index(b" a"))
        assert not sequence.may_leave(backend.pieces.index(b"ab"))
    sequence.append(SampledToken(backend.pieces.index(b"\xc3"), None, []))
    assert not sequence.may_leave(backend.pieces.index(b" a"))  # within a character
    sequence.append(SampledToken(backend.pieces.index(b"\xa9"), None, []))
    assert sequence.may_leave(backend.pieces.index(b" a"))


def test_tokens_that_stand_for_no_text_are_not_read(
    duo: Duo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a vocabulary has one for what it cannot write."""
    backend, sequence = (
        duo.backends["toy"],
        TextSequence(duo.scheduler(), [5], Sampler(Sampling(), seed=1)),
    )
    letter, unknown = backend.pieces.index(b"a"), 1
    assert backend.piece(unknown) == b""
    monkeypatch.setattr(backend, "tokenize", lambda *_, **__: [letter, unknown, letter])
    sequence.append_other(0, "a漢a".encode())
    assert sequence.catch_up() == 2


@pytest.mark.parametrize(("name", "pieces"), [("never", SMALL_PIECES), ("always", LARGE_PIECES)])
def test_a_gate_that_never_switches_leaves_one_model_alone(
    text_toy: Callable,
    new_duo: Callable,
    new_request: Callable,
    name: str,
    pieces: list[bytes],
) -> None:
    fields = {"max_tokens": 25, "sampling": Sampling(seed=3)}
    duo = pair(text_toy, new_duo)
    mode = Mode("switch", "small", gating=Gating(name))
    heard = duo.submit(new_request(1, "abc", mode=mode, **fields))
    duo.settle()
    alone = new_duo(text_toy(pieces=pieces, quirk=int(name == "never")))
    expected = alone.submit(new_request(1, "abc", **fields))
    alone.settle()
    assert heard.texts[0] == expected.texts[0]
    mark = LARGE if name == "never" else 0
    assert heard.tokens[0] == [token + mark for token in expected.tokens[0]]


@pytest.mark.parametrize("seed", range(5))
def test_a_resumed_answer_is_read_as_it_was_written(
    text_toy: Callable, new_duo: Callable, new_request: Callable, monkeypatch, seed: int
) -> None:
    script = [GateVerdict(True, "small"), GateVerdict(True, "large"), GateVerdict(True, "large")]
    monkeypatch.setattr("edge_rt.engine.generation.modes.make_gate", lambda *_: Script(script))
    fields = {"max_tokens": 30, "sampling": Sampling(seed=seed), "mode": SWITCH}
    duo = pair(text_toy, new_duo)
    duo.submit(new_request(1, "ab cd", **fields))
    while duo.busy:
        duo.step()
        answer = next(duo.answers(), None)
        if answer is None or not answer.provenance.tokens:
            continue
        told = list(answer.provenance.tokens)
        again = pair(text_toy, new_duo)
        again.submit(new_request(1, "ab cd", resume={0: told}, **fields))
        (resumed,) = again.scheduler()._waiting
        writer = int(told[-1] >= LARGE)
        assert resumed.sequences[writer].text == answer.sequences[writer].text
    assert duo.heard[1].finished[0].made.switches > 2


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"mode": SPECULATIVE}, "edge.mode"),
        ({"mode": Mode("switch", "small", gating=Gating("entropy"))}, "edge.mode"),
        ({"prompt": [5, 6]}, "prompt"),
        ({"sampling": Sampling(logit_bias={4: 1.0})}, "logit_bias"),
    ],
)
def test_what_names_tokens_takes_one_vocabulary(
    duo: Duo, new_request: Callable, changes: dict, param: str
) -> None:
    fields = {"prompt": "ab", "mode": SWITCH, **changes}
    (failed,) = duo.submit(new_request(1, **fields)).failed
    assert failed.param == param


def test_who_cannot_read_so_long_a_prompt_is_named(
    text_toy: Callable, new_duo: Callable, new_request: Callable
) -> None:
    small = text_toy(pieces=SMALL_PIECES, context=30)
    duo = new_duo(text_toy(pieces=LARGE_PIECES, context=60), small)
    (failed,) = duo.submit(new_request(1, "ad" * 20, mode=SWITCH)).failed
    assert failed.message.startswith("small, the partner in this mode: ")
    assert (failed.param, failed.code) == ("prompt", "context_length_exceeded")


def test_each_may_have_a_prompt_of_its_own(duo: Duo, new_request: Callable, monkeypatch) -> None:
    monkeypatch.setattr(
        "edge_rt.engine.generation.modes.make_gate",
        lambda *_: Script([GateVerdict(True, "large"), GateVerdict(True, "small")]),
    )
    mode = Mode("switch", "small", "cd", Gating("token"))
    heard = duo.submit(new_request(1, [5, 6], max_tokens=40, mode=mode))
    duo.settle()
    assert heard.started[0].prompt_tokens == 2
    small = duo.backends["small"]
    assert any(held[: len(small.tokenize("cd", special=False))] for held in small.held)


def test_a_text_that_is_longer_in_the_others_tokens_may_fill_it(
    text_toy: Callable, new_duo: Callable, new_request: Callable, monkeypatch
) -> None:
    monkeypatch.setattr(
        "edge_rt.engine.generation.modes.make_gate",
        lambda *_: Script([GateVerdict(True, "small"), GateVerdict(True, "large")]),
    )
    for seed in range(10):
        duo = new_duo(
            text_toy(pieces=LARGE_PIECES, context=30),
            text_toy(pieces=SMALL_PIECES, quirk=1, context=30),
        )
        sampling = Sampling(seed=seed)
        heard = duo.submit(new_request(1, "ab", max_tokens=None, sampling=sampling, mode=SWITCH))
        duo.settle()
        assert heard.finished[0].reason == "length"
