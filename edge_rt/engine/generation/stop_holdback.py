"""Log-probabilities go out with the text that they are about."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Sequence

from edge_rt.decoding.params import TokenLogprob


class StopHoldback:
    """Keeps each token's log-probability until all of the token's text has been sent.

    So a token that a stop string cuts off is never heard of, nor is one that it cuts in two.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._end = 0  # characters of all tokens so far
        self._sent = 0  # characters of them that have gone out
        self._waiting: deque[tuple[int, TokenLogprob | None]] = deque()

    @property
    def waiting(self) -> list[TokenLogprob]:
        """Those of the last tokens, which go out with text that is still to come."""
        return [logprob for _, logprob in self._waiting if logprob is not None]

    def recall(self, waiting: Sequence[TokenLogprob]) -> None:
        """Those of the last tokens, which were added without, are these."""
        ends = [end for end, _ in reversed(self._waiting)]
        self._waiting = deque(reversed([*zip(ends, reversed(waiting), strict=False)]))

    def add(self, piece: bytes, logprob: TokenLogprob | None) -> None:
        """The next token has the bytes `piece`; None when nothing is to be said about it."""
        self._end += len(self._decoder.decode(piece))
        unfinished = bool(self._decoder.getstate()[0])
        self._waiting.append((self._end + unfinished, logprob))

    def sent(self, text: str) -> list[TokenLogprob]:
        """`text` goes out; what may go out with it."""
        self._sent += len(text)
        out: list[TokenLogprob] = []
        while self._waiting and self._waiting[0][0] <= self._sent:
            _, logprob = self._waiting.popleft()
            out += [] if logprob is None else [logprob]
        return out
