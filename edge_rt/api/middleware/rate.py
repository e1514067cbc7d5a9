"""How often something may be done."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable


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


class Rates:
    """A Rate of each of those that were looked up last; the rates of others begin again."""

    def __init__(self, most: float, per_s: float, now: Callable[[], float], kept: int) -> None:
        """See Rate; so many of them are kept."""
        self._most, self._per_s, self._now, self._kept = most, per_s, now, kept
        self._rates: OrderedDict[Hashable, Rate] = OrderedDict()

    def of(self, who: Hashable) -> Rate:
        """The rate of `who`."""
        rate = self._rates.get(who)
        if rate is None:
            rate = self._rates[who] = Rate(self._most, self._per_s, self._now)
            if len(self._rates) > self._kept:
                self._rates.popitem(last=False)
        self._rates.move_to_end(who)
        return rate
