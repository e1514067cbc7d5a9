"""Drafts from the text itself, and how much of a draft is kept."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from edge_rt.decoding.distribution import Logits
from edge_rt.decoding.sampler import SampledToken, Sampler

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
        """Add `tokens` to the text."""
        for token in tokens:
            end = len(self._tokens)
            pair = (self._tokens[-1] if end else -1, token)
            self._earlier.append(self._pairs.get(pair, -1))
            self._pairs[pair] = end
            self._tokens.append(token)

    def draft(self, most: int) -> list[int]:
        """Return at most `most` tokens that may come next; empty when the text's end is new.

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
        """Return where the longest match ends, and its length; of equal ones the latest."""
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
        """Return how many tokens up to `at` equal the last ones of the text; two are known to."""
        length, most = 2, min(_LONGEST, at + 1)
        while length < most and self._tokens[at - length] == self._tokens[-1 - length]:
            length += 1
        return length


def confidence(matched: int) -> float:
    """Return how sure a draft that goes by `matched` tokens may be, 0 to 1.

    Yet to be calibrated.
    """
    return min(matched, _SURE) / (_SURE + 1)


class VerifiedToken(NamedTuple):
    """A token of the answer, whether it is the draft's, and what was judged by; None: nothing."""

    choice: SampledToken
    drafted: bool
    seen: float | None = None


class Exact:
    """Sample and match: the target draws every token itself, and the draft is kept while equal.

    The answer is token for token what the target alone would have written, with the same random
    numbers, so its distribution is the target's at every temperature. Rejection sampling
    (Leviathan, Kalman and Matias, arXiv 2211.17192) accepts a little more often above temperature
    0, but gives other tokens than the target alone.
    """

    def follow(
        self, draft: Sequence[int], sampler: Sampler, rows: Iterable[Logits]
    ) -> Iterator[VerifiedToken]:
        """Yield the answer's next tokens, the last of which is not the draft's.

        `rows` are the target's logits after the text so far and after each token of `draft`.
        `sampler`, the answer's own, records a token when it is asked for and none before: a caller
        that stops where the answer ends has recorded nothing beyond.
        """
        for guess, logits in zip([*draft, None], rows, strict=True):
            choice = sampler.sample(logits)
            yield VerifiedToken(choice, choice.token == guess)
            if choice.token != guess:
                return
