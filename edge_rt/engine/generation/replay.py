"""What engines before this one told of an answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class Replay:
    """The tokens that are to be taken once more, and what was seen before they were.

    A gate or a rule of acceptance judges by one number each time, see Gate.looks and
    Relaxed.keeps. By the same numbers it comes to the same verdicts, and so to the same state, in
    which it knows how many of them come before each token.
    """

    def __init__(self, tokens: Iterable[int] = (), seen: Iterable[float] = ()) -> None:
        """Tokens as the front is told them; see TokenProvenance."""
        self.tokens = deque(tokens)
        self.seen = deque(seen)

    @property
    def over(self) -> bool:
        """Whether all the tokens were taken."""
        return not self.tokens
