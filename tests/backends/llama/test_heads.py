"""Heads guess by what was read, in whatever pieces it came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from family_gguf import write_family

from edge_rt.backends.base import HeadsGuess, State
from edge_rt.backends.llama import heads
from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.backends.llama.heads import LlamaHeads

FAMILIES = ["qwen35", "qwen35moe", "qwen3next"]
TEXT = [Random(1).randrange(250) for _ in range(16)]
ROOM = 512  # tokens
SAME = 1e-4  # of a logit, between passes of other sizes


@pytest.fixture(params=FAMILIES)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LlamaBackend]:
    path = tmp_path / "model.gguf"
    file = write_family(path, request.param, block_count=5, nextn_predict_layers=1)
    backend = LlamaBackend(file, context=512, sequences=2, batch=64, threads=1, outputs=32)
    yield backend
    backend.close()


def read(backend: LlamaBackend) -> tuple[LlamaHeads, list[State]]:
    """Read the text; returns the states behind its tokens."""
    assert backend.heads is not None  # from when on there are states
    backend.batch.clear()
    first = backend.batch.add(0, 0, TEXT, want=len(TEXT)) + 1 - len(TEXT)
    backend.forward()
    states = [backend.heads.state(first + place) for place in range(len(TEXT))]
    return backend.heads, [state for state in states if state is not None]


def guess(
    heads: LlamaHeads, start: int, tokens: Sequence[int], states: Sequence[State]
) -> HeadsGuess:
    ahead = heads.guess(0, start, tokens, states)
    assert ahead is not None
    return HeadsGuess(ahead.logits.copy(), ahead.state)


def test_guesses_do_not_depend_on_the_pieces_of_what_is_read(backend: LlamaBackend) -> None:
    heads, states = read(backend)
    whole = guess(heads, 1, TEXT[1:], states[:-1])
    other = guess(heads, 1, TEXT[1:9], states[:8])
    for at in range(9, len(TEXT)):
        other = guess(heads, at, TEXT[at : at + 1], states[at - 1 : at])
    assert np.allclose(whole.logits, other.logits, atol=SAME)
    assert np.allclose(whole.state, other.state, atol=SAME)
    guess(heads, len(TEXT), [9], [whole.state])  # a guess that is forgotten
    again = guess(heads, 9, TEXT[9:], states[8:-1])
    assert np.allclose(whole.logits, again.logits, atol=SAME)


def test_guesses_go_by_states_and_tokens(backend: LlamaBackend) -> None:
    heads, states = read(backend)
    whole = guess(heads, 1, TEXT[1:], states[:-1])
    for tokens, given in (
        ([*TEXT[1:-1], TEXT[-1] ^ 1], states[:-1]),
        (TEXT[1:], [*states[:-2], -states[-2]]),
        (TEXT[1:], [-states[0], *states[1:-1]]),
    ):
        assert not np.allclose(whole.logits, guess(heads, 1, tokens, given).logits, atol=0.01)


def test_what_does_not_follow_begins_anew(backend: LlamaBackend) -> None:
    heads, states = read(backend)
    alone = guess(heads, 9, TEXT[9:], states[8:-1])
    guess(heads, 1, TEXT[1:5], states[:4])
    assert np.allclose(alone.logits, guess(heads, 9, TEXT[9:], states[8:-1]).logits, atol=SAME)


def test_long_texts_begin_anew_where_there_is_no_more_room(backend: LlamaBackend) -> None:
    heads, states = read(backend)
    alone = guess(heads, 0, TEXT[:1], states[:1])
    seen = [guess(heads, at, TEXT[:1], states[:1]) for at in range(ROOM + 1)]
    assert np.allclose(alone.logits, seen[-1].logits, atol=SAME)


@pytest.mark.parametrize("family", ["qwen3moe", "qwen35"])
def test_models_without_heads(tmp_path: Path, family: str) -> None:
    file = write_family(tmp_path / "model.gguf", family)
    backend = LlamaBackend(file, context=64, sequences=1, batch=16, threads=1)
    assert backend.heads is None
    backend.close()


def test_heads_that_llama_cpp_cannot_compute_are_left_alone(
    backend: LlamaBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, context = backend._model, backend._context
    monkeypatch.setattr(heads, "_ARCHITECTURES", ())
    assert heads.heads_of(model, context) is None
