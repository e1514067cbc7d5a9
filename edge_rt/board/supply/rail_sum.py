"""The energy of several rails together."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge_rt.board.integral import Energy


class RailSum:
    """Adds rails up over the time that each of them covers; other time is missing for all.

    What the rest drew while one rail could not be read does not count: joules without their
    seconds would pass for power. A counter that later tells of that time makes up for it.
    """

    def __init__(self, parts: Sequence[Energy]) -> None:
        """`parts` are the rails' meters, the same ones each time; the first one's time is meant."""
        self.total = Energy()  # since now
        self._counted = self._last = tuple(parts)
        self._energy_j = self._covered_s = self._missing_s = 0.0

    def add(self, parts: Sequence[Energy]) -> None:
        """Take what the meters stand at now."""
        now, last = tuple(parts), self._last
        self._last = now
        if _whole(self._counted, now):
            self._count(self._counted, now)
        elif _whole(last, now):  # all are back, but something is lost for good
            self._missing_s += _elapsed_s(last) - _elapsed_s(self._counted)
            self._count(last, now)
        open_s = _elapsed_s(now) - _elapsed_s(self._counted)
        self.total = Energy(self._energy_j, self._covered_s, self._missing_s + open_s)

    def _count(self, before: Sequence[Energy], now: tuple[Energy, ...]) -> None:
        joules = [n.energy_j - b.energy_j for b, n in zip(before, now, strict=True)]
        self._energy_j += math.fsum(joules)
        self._covered_s += now[0].covered_s - before[0].covered_s
        self._counted = now


def _whole(before: Sequence[Energy], now: Sequence[Energy]) -> bool:
    """Whether every meter knows more than before, and all of the time in between."""
    pairs = zip(before, now, strict=True)
    return all(n.covered_s > b.covered_s and n.missing_s <= b.missing_s for b, n in pairs)


def _elapsed_s(parts: Sequence[Energy]) -> float:
    return parts[0].covered_s + parts[0].missing_s
