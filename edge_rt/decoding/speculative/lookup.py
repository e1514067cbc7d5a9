"""Drafting from the text itself: what followed the last time that it ran like this."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

_LONGEST = 16  # tokens of the end of the text that are compared
_SURE = 8  # of them say as much as more do
_VISITS = 64  # earlier places that are compared at most, the latest first


class Lookup:
    """Finds what followed the last occurrence of the longest n-gram that ends the text, n 16 to 2.

    This is prompt lookup decoding (A. Saxena, 2023), over prompt and answer. Feeding costs the
    same for every token. A draft compares the latest 64 occurrences of the text's last two tokens,
    whatever the length of the text.
    """

    def __init__(self, tokens: Iterable[int] = ()) -> None:
        self.matched = 0  # length of the n-gram that the last draft went by; 0: there was none
        self._tokens = array("i")
        self._earlier = array("i")  # per token: where the pair that it ends was last before; -1
        self._pairs: dict[tuple[int, int], int] = {}  # where each pair was last
        self.feed(tokens)

    def feed(self, tokens: Iterable[int]) -> None:
        """The text goes on by `tokens`."""
        for token in tokens:
            end = len(self._tokens)
            pair = (self._tokens[-1] if end else -1, token)
            self._earlier.append(self._pairs.get(pair, -1))
            self._pairs[pair] = end
            self._tokens.append(token)

    def draft(self, most: int) -> list[int]:
        """At most `most` tokens that may come next; empty when the text's end is new.

        Where the occurrence reaches into the draft's own beginning, as in a text that repeats
        itself, the draft repeats it.
        """
        place, self.matched = self._best()
        drafted: list[int] = []
        if self.matched:
            for at in range(place + 1, place + 1 + most):
                beyond = at - len(self._tokens)
                drafted.append(self._tokens[at] if beyond < 0 else drafted[beyond])
        return drafted

    def _best(self) -> tuple[int, int]:
        """Where the longest match ends, and its length; of equal ones the latest."""
        place, length = -1, 0
        at = self._earlier[-1] if self._tokens else -1
        for _ in range(_VISITS):
            if at < 0 or length == _LONGEST:
                break
            found = self._match(at)
            if found > length:
                place, length = at, found
            at = self._earlier[at]
        return place, length

    def _match(self, at: int) -> int:
        """How many tokens up to `at` equal the last ones of the text; two are known to."""
        length, most = 2, min(_LONGEST, at + 1)
        while length < most and self._tokens[at - length] == self._tokens[-1 - length]:
            length += 1
        return length


def confidence(matched: int) -> float:
    """How sure a draft that goes by `matched` tokens may be, 0 to 1; yet to be calibrated."""
    return min(matched, _SURE) / (_SURE + 1)
