"""An answer that the small model begins, and the large one makes where doubt shows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from edge_rt.decoding.sampling.sampler import Choice
from edge_rt.decoding.sampling.view import View
from edge_rt.decoding.switching.doubt import DoubtMeter
from edge_rt.engine.generation.generation import DecodingStrategy, Generation
from edge_rt.engine.generation.model_sequence import ModelSequence
from edge_rt.engine.strategies.drafts import Guesses, Source

Drafted = Callable[[Source], DecodingStrategy]
"""How the large model goes on by itself while it is told how."""


def handing_over(
    answer: Generation, threshold: float, first: int, drafted: Drafted
) -> DecodingStrategy:
    """The small model drafts the `first` tokens, and its doubt of them decides who writes on. Ours.

    Up to the threshold the draft is the answer's beginning, and the small model goes on. Above it
    the large one reads the draft and keeps what it would have written itself, so that the whole
    answer is token for token that of the large model alone. Nothing is told before that is decided.
    Where the small model's context is full, the large one goes on.
    """
    large, small = answer.seats
    written = [seat for seat, _ in answer.authors.written()]
    if not written:
        meter = DoubtMeter(first)
        draft = yield from _draft(answer, meter)
        doubt = meter.doubt
        if doubt is None or doubt.score > threshold:
            answer.authors.handed_over()
            yield from drafted(Begun(answer, [choice.token for choice in draft]))
            return
        _keep(answer, draft)
    seat = written[-1] if written else small  # an engine before this one may have decided
    while answer.open:
        seat = large if small.full else seat
        yield seat
        answer.take(seat, seat.sampler.sample(seat.logits()))


class Begun:
    """What another model would begin an answer with, as long as the answer runs like that.

    What it comes to have been made for nothing is counted as rejected.
    """

    def __init__(self, answer: Generation, draft: list[int]) -> None:
        self._answer, self._left = answer, draft
        self._seen = len(answer.seats[0].text)  # tokens, with those that were drafted

    def draft(self, most: int, left: int) -> Guesses:
        """See Source."""
        yield from ()
        if self._left:
            news = self._answer.seats[0].text[self._seen :]
            right = self._left[: len(news)] == news
            self._told(len(news) if right else 0, right=right)
        return self._left[:most]

    def verified(self, drafted: int, accepted: int) -> None:
        """See Source."""
        self._told(drafted, right=accepted == drafted)

    def _told(self, count: int, *, right: bool) -> None:
        """So many of its tokens were compared with what the answer is, and found `right`."""
        self._left, self._seen = self._left[count:], self._seen + count
        if not right:
            self._answer.authors.verified(0, len(self._left))
            self._left = []


def _draft(answer: Generation, meter: DoubtMeter) -> Generator[ModelSequence, None, list[Choice]]:
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


def _keep(answer: Generation, draft: Sequence[Choice]) -> None:
    """The small model has written that."""
    _, small = answer.seats
    for choice in draft:
        small.sampler.feed((choice.token,))
        if not answer.take(small, choice):
            return
