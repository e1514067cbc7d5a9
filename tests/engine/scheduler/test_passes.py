"""A pass carries a token of every stream first, and shares out what is left."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.decoding import Sampling
from edge_rt.decoding.sampler import Sampler
from edge_rt.engine.generation.model_sequence import ModelSequence
from edge_rt.engine.kv.sequences import KvSequence
from edge_rt.engine.scheduler.passes import parts


@dataclass(eq=False)
class Asking:
    """What a pass sees of an answer."""

    at: ModelSequence


def asking(id: int, text: int, held: int, draft: int, *, decoding: bool) -> Any:
    """One with so many tokens of text, of which it has read some, and of draft to verify."""
    home: Any = SimpleNamespace(backend=None)
    sequence = ModelSequence(home, list(range(text)), Sampler(Sampling(), seed=1))
    sequence.kv = KvSequence(id, list(range(held)), busy=True)
    sequence.verify([7] * draft)
    sequence.decoding = decoding
    return Asking(sequence)


shapes = st.lists(
    st.tuples(st.integers(1, 30), st.integers(0, 29), st.integers(0, 9), st.booleans()),
    min_size=1,
    max_size=6,
)


@given(shapes=shapes, more=st.integers(0, 40), spare=st.integers(0, 20), room=st.integers(0, 40))
def test_whatever_is_asked_for_no_pass_carries_too_much(
    shapes: list[tuple[int, int, int, bool]], more: int, spare: int, room: int
) -> None:
    answers = [
        asking(id, text, min(held, text - 1), draft if decoding else 0, decoding=decoding)
        for id, (text, held, draft, decoding) in enumerate(shapes)
    ]
    streams = [answer for answer in answers if answer.at.decoding]
    capacity, outputs = len(answers) + room, len(answers) + spare
    unread = {answer: answer.at.unread for answer in answers}
    found = parts(answers, capacity, outputs, more)
    taking = dict(found)
    assert all(answer in taking for answer in streams)
    assert sum(taking.values()) <= min(capacity, len(streams) + more)
    wanted = 0
    for answer, count in found:
        sequence = answer.at
        assert 1 <= count <= unread[answer]
        left = sequence.unread - count
        assert left == 0 or left >= 1 + sequence.drafted  # logits of a draft come of one pass
        wanted += (1 + sequence.drafted) * (left == 0)
    assert wanted <= outputs
    assert [answer.at.held.id for answer, _ in found] == sorted(a.at.held.id for a, _ in found)


def test_streams_come_before_prompts_and_older_prompts_before_younger() -> None:
    old, young = asking(0, 20, 0, 0, decoding=False), asking(1, 20, 0, 0, decoding=False)
    behind = asking(2, 20, 10, 0, decoding=True)
    assert dict(parts([old, young, behind], 64, 3, 30)) == {behind: 10, old: 20, young: 1}


@pytest.mark.parametrize("more", [1, 2, 7])
def test_drafts_do_not_hold_up_prompts(more: int) -> None:
    prompt, drafting = asking(0, 20, 0, 0, decoding=False), asking(1, 20, 19, 9, decoding=True)
    reading = dict(parts([prompt, drafting], 64, 20, more))
    assert reading[prompt] >= more / 2
    assert reading[drafting] == 1 + more - reading[prompt]


def test_a_draft_is_cut_to_the_logits_that_are_kept() -> None:
    first, second = (asking(id, 20, 19, 6, decoding=True) for id in range(2))
    assert dict(parts([first, second], 64, 6, 64)) == {first: 5, second: 1}
    assert (len(first.at.draft), len(second.at.draft)) == (4, 0)
