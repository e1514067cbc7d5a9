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
_KEPT = 4096  # tokens of earlier answers that are looked through at least, and half of the most
_END = -1  # of a text in a pool: no token


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
        last = self._earlier[-1] if self._tokens else -1
        place, self.matched = self._best(self._tokens, last)
        drafted: list[int] = []
        if self.matched:
            for at in range(place + 1, place + 1 + most):
                beyond = at - len(self._tokens)
                drafted.append(self._tokens[at] if beyond < 0 else drafted[beyond])
        return drafted

    def follow(self, text: Sequence[int], most: int) -> list[int]:
        """Return what followed here where it ran as the end of `text`, another one, does."""
        last = self._pairs.get((text[-2], text[-1]), -1) if len(text) > 1 else -1
        place, self.matched = self._best(text, last)
        return self._tokens[place + 1 : place + 1 + most].tolist() if self.matched else []

    def _best(self, text: Sequence[int], at: int) -> tuple[int, int]:
        """Return where the longest match with the end of `text` ends, and its length.

        The last one is at `at`, if that is not below 0; of equal ones it is the latest.
        """
        place, length = -1, 0
        for _ in range(_VISITS):
            if at < 0 or length == _LONGEST:
                break
            found = self._match(text, at)
            if found > length:
                place, length = at, found
            at = self._earlier[at]
        return place, length

    def _match(self, text: Sequence[int], at: int) -> int:
        """Return how many tokens up to `at` equal the last ones of `text`; two are known to."""
        length, most = 2, min(_LONGEST, at + 1, len(text))
        while length < most and self._tokens[at - length] == text[-1 - length]:
            length += 1
        return length


class LookupPool:
    """What was read and written for earlier requests, for drafts of later ones.

    It keeps the latest 4,096 to 8,192 tokens, in some 4 MB at most.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self.matched = 0  # as in Lookup
        self._kept = kept
        self._size = 0  # tokens of the later half
        self._halves = Lookup(), Lookup()  # the later and the earlier

    def add(self, text: Sequence[int]) -> None:
        """Add a text, or the end of a long one."""
        text = text[-self._kept :]
        if self._size + len(text) > self._kept:
            self._size, self._halves = 0, (Lookup(), self._halves[0])
        self._halves[0].feed([*text, _END])
        self._size += len(text)

    def draft(self, text: Sequence[int], most: int) -> list[int]:
        """Return at most `most` tokens that may follow `text`; the end of another text is -1."""
        later, earlier = self._halves
        drafted, others = later.follow(text, most), earlier.follow(text, most)
        self.matched = max(later.matched, earlier.matched)
        return drafted if later.matched == self.matched else others


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
