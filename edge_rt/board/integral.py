"""Energy from power readings, from a counter, or of several rails; unknown time is kept apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Energy:
    """Joules over `covered_s` seconds; of `missing_s` more seconds nothing is known.

    Both grow with each reading, so the difference of two is the energy in between.
    """

    energy_j: float = 0.0
    covered_s: float = 0.0
    missing_s: float = 0.0


class Integral:
    """Watts made into joules by the trapezoid rule.

    The time between two readings counts only if both are there and at most `gap_s` apart, which
    may be changed at any time; it is missing otherwise, and never guessed. A meter's offset may
    read as a little less than nothing; the joules never fall for that.
    """

    def __init__(self, gap_s: float) -> None:
        self.gap_s = gap_s
        self._time_s: float | None = None
        self._power_w: float | None = None
        self._energy_j = self._covered_s = self._missing_s = 0.0

    def add(self, time_s: float, value: float | None) -> None:
        """Take watts, None where they are missing; those no later than the last are left out."""
        before_s, before_w = self._time_s, self._power_w
        if before_s is None:
            self._time_s, self._power_w = time_s, value
            return
        elapsed = time_s - before_s
        if elapsed <= 0:
            return
        self._time_s, self._power_w = time_s, value
        if before_w is None or value is None or elapsed > self.gap_s:
            self._missing_s += elapsed
        else:
            self._energy_j += max(0.0, 0.5 * (before_w + value) * elapsed)
            self._covered_s += elapsed

    def total(self) -> Energy:
        """Return everything since the first reading."""
        return Energy(self._energy_j, self._covered_s, self._missing_s)


class CounterMeter:
    """Joules of a counter, which goes on counting between two readings.

    The next reading covers a gap in the readings, unless the counter was reset.
    """

    def __init__(self) -> None:
        self._time_s: float | None = None  # of the last reading, missing or not
        self._energy_j = self._covered_s = self._missing_s = 0.0
        self._known: tuple[float, float] | None = None  # time and counter of the last good one
        self._open_s = 0.0  # missing since then, and perhaps not for good

    def add(self, time_s: float, value: float | None) -> None:
        """Take the counter in joules, None where it is missing; see `Integral.add`."""
        elapsed = 0.0 if self._time_s is None else time_s - self._time_s
        if self._time_s is not None and elapsed <= 0:
            return
        self._time_s = time_s
        self._open_s += elapsed
        if value is None:
            return
        if self._known is not None and value >= self._known[1]:
            self._energy_j += value - self._known[1]
            self._covered_s += time_s - self._known[0]
        else:
            self._missing_s += self._open_s
        self._open_s = 0.0
        self._known = (time_s, value)

    def total(self) -> Energy:
        """Return everything since the first reading."""
        return Energy(self._energy_j, self._covered_s, self._missing_s + self._open_s)


Meter = Integral | CounterMeter


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
    """Return whether every meter knows more than before, and all of the time in between."""
    pairs = zip(before, now, strict=True)
    return all(n.covered_s > b.covered_s and n.missing_s <= b.missing_s for b, n in pairs)


def _elapsed_s(parts: Sequence[Energy]) -> float:
    return parts[0].covered_s + parts[0].missing_s
