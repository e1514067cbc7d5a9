"""Where drafts of an answer come from: its own text, and a smaller model."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Protocol

from edge_rt.decoding.sampling.view import View
from edge_rt.decoding.speculative.lookup import Lookup, confidence
from edge_rt.decoding.speculative.pass_times import CLOSE, PassTimes
from edge_rt.engine.generation.model_sequence import ModelSequence

Guesses = Generator[ModelSequence, None, list[int]]
"""Says which seat is to read next, and in the end how the text may go on."""


class Length(Protocol):
    """Decides how long drafts are; see DraftLength."""

    def begins(self, behind: int, left: float) -> bool: ...

    def adds(self, confidences: Sequence[float], guess: float) -> bool: ...

    def goes_on(self, confidences: Sequence[float]) -> bool: ...

    def cut(self, confidences: Sequence[float]) -> int: ...

    def verified(self, confidences: Sequence[float], accepted: int) -> None: ...


class Always:
    """Drafts are as long as they may be."""

    def begins(self, behind: int, left: float) -> bool:
        """See DraftLength."""
        return True

    def adds(self, confidences: Sequence[float], guess: float) -> bool:
        """See DraftLength."""
        return True

    def goes_on(self, confidences: Sequence[float]) -> bool:
        """See DraftLength."""
        return True

    def cut(self, confidences: Sequence[float]) -> int:
        """See DraftLength."""
        return len(confidences)

    def verified(self, confidences: Sequence[float], accepted: int) -> None:
        """See DraftLength."""


class Source(Protocol):
    """Drafts how the text of an answer may go on."""

    def draft(self, most: int, left: int) -> Guesses:
        """At most `most` tokens, one at least; `left` may still come of the answer."""
        ...

    def verified(self, drafted: int, accepted: int) -> None:
        """The first `drafted` tokens of its last draft were read, and so many accepted."""
        ...


class LookupSource:
    """What followed the last time that the text ran like this."""

    def __init__(self, seat: ModelSequence, length: Length) -> None:
        self._seat = seat
        self._length = length
        self._lookup = Lookup()
        self._fed = 0
        self._sure: list[float] = []

    def draft(self, most: int, left: int) -> Guesses:
        """See Source."""
        text = self._seat.text
        self._lookup.feed(text[self._fed :])
        self._fed = len(text)
        drafted = list(_to_end(self._lookup.draft(most), self._seat.backend.ends))
        sure = [confidence(self._lookup.matched)] * len(drafted)
        self._sure = sure[: self._length.cut(sure)]
        yield from ()
        return drafted[: len(self._sure)]

    def verified(self, drafted: int, accepted: int) -> None:
        """See Source."""
        self._length.verified(self._sure[:drafted], accepted)


class ModelSource:
    """What a smaller model would write, with the random numbers of those places."""

    def __init__(self, seat: ModelSequence, length: Length, times: PassTimes) -> None:
        self._seat = seat
        self._length = length
        self._times = times
        self._sure: list[float] = []

    def draft(self, most: int, left: int) -> Guesses:
        """See Source."""
        seat, sure, drafted = self._seat, self._sure, list[int]()
        sure.clear()
        seat.forget_draft()
        most = min(most, seat.backend.context - len(seat.text) - 1)
        if most < 1 or not self._length.begins(seat.unread, left):
            return drafted
        while True:
            yield seat
            self._note_time()
            logits = seat.logits()
            token, guess = seat.sampler.guess(logits, len(drafted)), View(logits).confidence
            if not self._length.adds(sure, guess):
                return drafted
            drafted.append(token)
            sure.append(guess)
            seat.guess(token)
            if len(drafted) == most or seat.backend.ends(token) or not self._length.goes_on(sure):
                return drafted

    def verified(self, drafted: int, accepted: int) -> None:
        """See Source."""
        self._length.verified(self._sure[:drafted], accepted)

    def _note_time(self) -> None:
        seat = self._seat
        if seat.read <= CLOSE:
            self._times.draft_took(seat.spent_s)
        else:
            self._times.read_took(seat.read, seat.spent_s)


def _to_end(tokens: Iterable[int], ends: Callable[[int], bool]) -> Iterator[int]:
    """Up to the first that ends an answer: what a conversation went on with is another's text."""
    for token in tokens:
        yield token
        if ends(token):
            return
