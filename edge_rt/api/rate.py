"""How often something may be done."""

from __future__ import annotations

from collections.abc import Callable


class Rate:
    """A bucket of `most` that fills by `per_s` a second; what is done takes from it."""

    def __init__(self, most: float, per_s: float, now: Callable[[], float]) -> None:
        """`now` gives seconds."""
        self._most, self._per_s, self._now = most, per_s, now
        self._left, self._at_s = most, now()

    def allows(self, weight: float = 1.0) -> bool:
        """Whether so much more may be done, which then was."""
        now_s = self._now()
        self._left = min(self._most, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < weight:
            return False
        self._left -= weight
        return True

    def wait_s(self, weight: float = 1.0) -> float:
        """In how many seconds so much may be done, counted from the last question."""
        return max(0.0, weight - self._left) / self._per_s
