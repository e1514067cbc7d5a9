"""Seats of models that cut text into other tokens: what one says, the other hears as text."""

from __future__ import annotations

import codecs

from edge_rt.backends.base import Backend
from edge_rt.decoding.sampling.sampler import Choice, Sampler
from edge_rt.engine.generation.model_sequence import Home, ModelSequence


class TextSeat(ModelSequence):
    """A seat beside one of another vocabulary.

    What that one said is cut into this model's tokens when the turn comes, and only that: what a
    sequence holds is never cut anew. So turns change where both vocabularies have a border, which
    is in front of white space and behind the end of a line, and never within a character.
    """

    def __init__(self, home: Home, prompt: list[int], sampler: Sampler) -> None:
        super().__init__(home, prompt, sampler)
        self._tail = bytearray()  # of the answer, not in `text` yet
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._line_ended = True  # before the answer's first token, all begin anew

    @property
    def full(self) -> bool:
        """See ModelSequence: what was heard may be as many tokens as bytes."""
        return len(self.text) + len(self._tail) >= self.backend.context

    def say(self, choice: Choice) -> None:
        """See ModelSequence."""
        super().say(choice)
        self._note(self.backend.piece(choice.token))

    def hear(self, token: int, piece: bytes) -> None:
        """See ModelSequence."""
        self._tail += piece
        self._note(piece)

    def catch_up(self) -> int:
        """See ModelSequence."""
        tokens = continuation(self._tail.decode(errors="replace"), self.backend)
        self._tail.clear()
        for token in tokens:
            self._go_on(token)
        self.sampler.feed(tokens)
        return len(tokens)

    def may_leave(self, token: int | None) -> bool:
        """See ModelSequence."""
        if self._decoder.getstate()[0]:
            return False  # within a character
        return self._line_ended if token is None else self.backend.piece(token)[:1].isspace()

    def _note(self, piece: bytes) -> None:
        self._decoder.decode(piece)
        if piece:
            self._line_ended = piece.endswith(b"\n")


def continuation(text: str, backend: Backend) -> list[int]:
    """Token ids of `text` where it goes on from other text: none of them stands for more."""
    tokens = _bare(text, backend)
    if not text or _spelt(tokens, backend) == text.encode():
        return tokens
    # Some vocabularies put a space in front of what they are given; it then goes with the line.
    behind_line = _bare("\n" + text, backend)
    for begin in range(1, len(behind_line)):
        if _spelt(behind_line[begin:], backend) == text.encode():
            return behind_line[begin:]
    return tokens


def _bare(text: str, backend: Backend) -> list[int]:
    """The tokens without the control tokens that are put around a text."""
    return [t for t in backend.tokenize(text, special=False) if backend.piece(t)]


def _spelt(tokens: list[int], backend: Backend) -> bytes:
    return b"".join(map(backend.piece, tokens))
