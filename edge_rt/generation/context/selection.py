"""The passages of a conversation that fit into a number of characters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from edge_rt.generation.context.passages import LongChat, Passage

_RECENT = 0.25  # of the room is for the latest turns, whatever they say
_AROUND = 24  # characters that a template and a gap add to a passage


def select(talk: LongChat, scores: Sequence[float], room: int) -> set[Passage]:
    """Return the passages to keep in `room` characters.

    `scores` are those of `talk.passages`, then those of all of `talk.question` but its first and
    last passages, which stay. So do the system's messages and the latest turns, as many as fill a
    quarter of the room; then the passages of the highest scores follow. Those that stay may take
    more than the room.
    """
    kept = {*talk.question[:1], *talk.question[-1:]}
    left = room - talk.fixed - sum(map(_cost, kept))
    rest = [*talk.passages, *talk.question[1:-1]]
    left -= _keep_recent(talk, kept, int(_RECENT * left))
    ranked = sorted(zip(scores, range(len(rest)), strict=True), key=lambda one: (-one[0], -one[1]))
    for _, at in ranked:
        passage = rest[at]
        if passage not in kept and _cost(passage) <= left:
            kept.add(passage)
            left -= _cost(passage)
    return kept


def _keep_recent(talk: LongChat, kept: set[Passage], room: int) -> int:
    """Keep the latest turns that fit into `room`; return what they take."""
    took = 0
    for _, group in groupby(reversed(talk.passages), attrgetter("turn")):
        passages = list(group)
        cost = sum(map(_cost, passages))
        if took + cost > room:
            break
        kept.update(passages)
        took += cost
    return took


def _cost(passage: Passage) -> int:
    return len(passage.text) + _AROUND
