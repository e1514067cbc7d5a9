"""What is kept of one request that a policy answered."""

from __future__ import annotations

import msgspec

from edge_rt.decoding.params import EARLY
from edge_rt.models.pair import SWITCH
from evallib.record import Record


class Course(msgspec.Struct, frozen=True):
    """All requests of a policy, from the first one's coming to the last answer's end.

    `idle_s` of the `span_s` seconds were idle and not waited for; in the others the board drew
    `board_j`, and at rest, before all that, `rest_w`. None is what is not known.
    """

    span_s: float
    idle_s: float
    board_j: float | None
    rest_w: float | None

    @property
    def added_j(self) -> float | None:
        """What the board drew beyond what it draws at rest."""
        if self.board_j is None or self.rest_w is None:
            return None
        return self.board_j - self.rest_w * (self.span_s - self.idle_s)


class Served(Record, frozen=True, kw_only=True):
    """An answer, the `model` that gave it, and how its `course` went as a whole.

    `cache` is which one it came from, if any, and `question` that of which it was the answer, where
    that was another one. Seconds count from when the request was to come.
    """

    model: str | None = None
    cache: str | None = None
    question: str | None = None
    course: Course | None = None

    def wrote(self, large: str) -> bool:
        """Whether the model `large` had a part in it, now or when it was kept."""
        if self.model != large:
            return False
        return self.mode != f"{SWITCH}:{EARLY}" or bool(self.large_tokens or self.switches)
