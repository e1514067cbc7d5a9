"""What a gate sees and says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, NamedTuple

from edge_rt.decoding.sampling.view import View

Writer = Literal["small", "large"]
Look = Callable[[View], float]
"""One number of what a model makes of the next token."""


class Verdict(NamedTuple):
    """Whether the token that the writer would draw is taken, and who writes on.

    Only the small model's token may be left untaken, and then the large one writes in its place.
    """

    take: bool
    then: Writer


class Gate(ABC):
    """Decides token by token, for one answer.

    All that it sees of the models is what it `looks` at, one number a judgement: from the same
    numbers and the same tokens, another one like it comes to the same verdicts. A higher
    `threshold` leaves more to the small model. `measure` is what the last judgement held against
    it; None: that judgement held nothing against it. `opens` is who writes the first token, so
    that a model which may never be needed need not read the prompt.
    """

    opens: Writer = "small"
    threshold: float
    measure: float | None = None

    def looks(self, writer: Writer) -> Look | None:
        """What it is to see of what `writer` makes of the next token; None: nothing."""
        return None

    @abstractmethod
    def judge(self, writer: Writer, seen: float) -> Verdict:
        """What is to be done before `writer` draws the next token.

        `seen` is what the look gave, 0 where there was none.
        """

    def took(self, writer: Writer, piece: bytes) -> Writer | None:
        """The answer goes on by `piece`, the bytes of a token of `writer`.

        Returns who writes on, in place of what the verdict said; None: as it said.
        """
        return None
