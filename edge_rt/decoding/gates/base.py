"""What a gate sees and says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

from edge_rt.decoding.view import View

Writer = Literal["small", "large"]


class Verdict(NamedTuple):
    """Whether the token that the writer would draw is taken, and who writes on.

    Only the small model's token may be left untaken, and then the large one writes in its place.
    """

    take: bool
    then: Writer


class Gate(ABC):
    """Decides token by token, for one answer.

    A higher `threshold` leaves more to the small model.
    """

    threshold: float

    @abstractmethod
    def judge(self, writer: Writer, view: View) -> Verdict:
        """What is to be done, seeing what `writer` makes of the next token before it is drawn."""

    def took(self, writer: Writer, piece: bytes) -> None:  # noqa: B027 - most do not ask
        """The answer goes on by `piece`, the bytes of a token of `writer`."""
