"""How an engine ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExitReason:
    """`why` is for people. It was at work for `requests`, by their ids.

    Where it was ended from `outside`, whatever it did is not the reason. `in_pass`: it was also
    loading a model, which is not the reason.
    """

    why: str
    requests: frozenset[int] = frozenset()
    outside: bool = False
    short_of_memory: bool = False
    in_pass: bool = False

    @property
    def blamed(self) -> frozenset[int]:
        """The requests that may have ended it."""
        return frozenset() if self.outside else self.requests
