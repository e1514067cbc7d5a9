"""An answer that the small model begins, and the large one makes where doubt shows."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from edge_rt.decoding.accept import Exact
from edge_rt.decoding.doubt import DoubtMeter
from edge_rt.decoding.sampler import Choice
from edge_rt.decoding.view import View
from edge_rt.engine.answer import Answer, Course
from edge_rt.engine.seat import Seat


def handing_over(answer: Answer, threshold: float, first: int) -> Course:
    """The small model drafts the `first` tokens, and its doubt of them decides who writes on. Ours.

    Up to the threshold the draft is the answer's beginning, and the small model goes on. Above it
    the large one reads the draft in one pass and keeps what it would have written itself, so that
    the whole answer is token for token that of the large model alone. Nothing is told before that
    is decided. Where the small model's context is full, the large one goes on.
    """
    large, small = answer.seats
    written = [seat for seat, _ in answer.authors.written()]
    if written:  # an engine before this one has decided
        seat = written[-1]
    else:
        seat = yield from _begin(answer, threshold, first)
    while answer.open:
        seat = large if small.full else seat
        yield seat
        answer.take(seat, seat.sampler.sample(seat.logits()))


def _begin(answer: Answer, threshold: float, first: int) -> Generator[Seat, None, Seat]:
    """Up to the decision; who writes on."""
    large, small = answer.seats
    meter = DoubtMeter(first)
    draft = yield from _draft(answer, meter)
    doubt = meter.doubt
    if doubt is None or doubt.score > threshold:
        yield from _hand_over(answer, [choice.token for choice in draft])
        return large
    for choice in draft:
        small.sampler.feed((choice.token,))
        if not answer.take(small, choice):
            break
    return small


def _draft(answer: Answer, meter: DoubtMeter) -> Generator[Seat, None, list[Choice]]:
    """What the small model would write as long as `meter` looks at it, one pass a token."""
    _, small = answer.seats
    sampler = small.sampler.fork(0)  # what is drafted is not written yet
    draft: list[Choice] = []
    most = min(answer.room, small.backend.context - len(small.text))
    while len(draft) < most and not meter.complete:
        yield small
        logits = small.logits()
        meter.look(View(logits))
        draft.append(sampler.sample(logits))
        token = draft[-1].token
        small.guess(token)
        if small.backend.ends(token) and not answer.request.ignore_eos:
            break
    return draft


def _hand_over(answer: Answer, draft: Sequence[int]) -> Course:
    """Have the large model keep what it would have written of `draft`, and go on from there."""
    large, _ = answer.seats
    most = min(answer.room, large.backend.outputs) - 1
    large.verify(list(draft[: max(0, most)]))
    yield large
    read = list(large.draft)
    rows = (large.logits(place) for place in range(len(read) + 1))
    accepted = 0
    answer.authors.handed_over()
    for kept in Exact().follow(read, large.sampler, rows):
        accepted += kept.drafted
        if not answer.take(large, kept.choice):
            break
    answer.authors.verified(accepted, len(draft) - accepted)
