"""The pieces of a conversation that fit into a number of characters."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rt.generation.context.pieces import Conversation, Piece

_RECENT = 0.25  # of the room is for the latest turns, whatever they say
_AROUND = 24  # characters that a template and a gap add to a piece


def select(talk: Conversation, scores: Sequence[float], room: int) -> set[Piece]:
    """Return the pieces to keep in `room` characters.

    `scores` are those of `talk.pieces`, then those of all of `talk.question` but its first and last
    pieces, which stay. So do the system's messages and the latest turns, as many as fill a quarter
    of the room; then the pieces of the highest scores follow. Those that stay may take more than
    the room.
    """
    kept = {*talk.question[:1], *talk.question[-1:]}
    left = room - talk.fixed - sum(map(_cost, kept))
    rest = [*talk.pieces, *talk.question[1:-1]]
    left -= _keep_recent(talk, kept, int(_RECENT * left))
    ranked = sorted(zip(scores, range(len(rest)), strict=True), key=lambda one: (-one[0], -one[1]))
    for _, at in ranked:
        piece = rest[at]
        if piece not in kept and _cost(piece) <= left:
            kept.add(piece)
            left -= _cost(piece)
    return kept


def _keep_recent(talk: Conversation, kept: set[Piece], room: int) -> int:
    """Keep the latest turns that fit into `room`; return what they take."""
    took = 0
    for turn in reversed(range(talk.last)):
        pieces = [piece for piece in talk.pieces if piece.turn == turn]
        cost = sum(map(_cost, pieces))
        if took + cost > room:
            break
        kept.update(pieces)
        took += cost
    return took


def _cost(piece: Piece) -> int:
    return len(piece.text) + _AROUND
