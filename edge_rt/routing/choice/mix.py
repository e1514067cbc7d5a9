"""What kinds of requests came of late, and how many."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

KEPT = 64  # kinds; the rarest go first
MEMORY_S = 1800.0  # after which a request counts a third

KindT = TypeVar("KindT", bound=Hashable)


class Mix(Generic[KindT]):
    """Counts requests by kind; what is long ago counts less and less."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is in seconds, a monotonic one."""
        self._clock = clock
        self._begin_s = self._at_s = clock()
        self._weights: dict[KindT, float] = {}

    def note(self, kind: KindT) -> None:
        """A request of that kind came."""
        self._fade()
        self._weights[kind] = self._weights.get(kind, 0.0) + 1.0
        if len(self._weights) > KEPT:
            del self._weights[min(self._weights, key=lambda known: self._weights[known])]

    def shares(self) -> dict[KindT, float]:
        """Of each kind; 1 in all, or nothing where nothing came."""
        total = sum(self._weights.values())
        return {k: weight / total for k, weight in self._weights.items()} if total > 0.0 else {}

    def per_second(self) -> float:
        """Requests a second."""
        self._fade()
        # What can have been counted since the beginning, of all that is remembered in the long run.
        span_s = -MEMORY_S * math.expm1(-max(1.0, self._at_s - self._begin_s) / MEMORY_S)
        return sum(self._weights.values()) / span_s

    def _fade(self) -> None:
        now_s = self._clock()
        keep = math.exp(-max(0.0, now_s - self._at_s) / MEMORY_S)
        self._at_s = now_s
        self._weights = {kind: weight * keep for kind, weight in self._weights.items()}
