"""Idle power at the temperatures that a board really has, pooled over weeks.

Other programs come and go, so that only differences within a stretch between two such changes say
something of the chip.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import NamedTuple

LONGEST_S = 3600.0  # of one stretch
SPAN_C = 3.0  # between a stretch's temperatures, below which they say nothing of leakage
_DAY_S = 86_400.0
_OLDEST_S, _HALF_S = 60.0 * _DAY_S, 14.0 * _DAY_S  # until forgotten, and until half as much counts
_MOST = 64  # stretches
_PAUSE_S = 10.0  # without a reading, in which the board was at work
_HELD = 10  # readings that are looked at before they count
_JUMP = 0.015  # of the power, from one half of these to the other: another program begins or ends
_COARSE = 0.1  # of a jump: a sensor that wavers by less makes such jumps by itself
_BIN_C = 0.5
_VISIT_S = 60.0  # what is read later belongs to another visit
_FEW = 4.0  # readings that a visit needs to count for half
_TO_MEDIAN = 3.0  # how far medians of a few readings part by noise, in their usual steps
_MANY = 3  # visits of which the middle one is taken
_TEMPS_C, _POWERS_W = (-60.0, 200.0), (0.0, 1e4)  # what a sensor of a working board may say


class Cell(NamedTuple):
    """What was read within half a degree: means, and about how many visits those were."""

    temp_c: float
    power_w: float
    visits: float


@dataclass(frozen=True)
class Stretch:
    """Cells of some time, coldest first, in which other programs draw about the same."""

    begin: float  # Unix seconds
    cells: tuple[Cell, ...]

    @property
    def span_c(self) -> float:
        """From the coldest to the warmest."""
        return self.cells[-1].temp_c - self.cells[0].temp_c if self.cells else 0.0

    @property
    def possible(self) -> bool:
        """Whether a board can have shown it; a damaged file may hold anything."""
        temps_c = [cell.temp_c for cell in self.cells]
        return temps_c == sorted(set(temps_c)) and all(
            _within(cell.temp_c, _TEMPS_C)
            and _within(cell.power_w, _POWERS_W)
            and cell.visits > 0.0
            for cell in self.cells
        )

    def count(self, now: float) -> float:
        """How much it counts at `now`, in Unix seconds: 1, and half as much each two weeks."""
        return 0.5 ** (max(0.0, now - self.begin) / _HALF_S)


@dataclass(frozen=True)
class _Visit:
    """Means over at most a minute within half a degree."""

    begin_s: float
    count: int
    temp_c: float
    power_w: float

    def joined(self, temp_c: float, power_w: float) -> _Visit:
        count = self.count + 1
        return _Visit(
            self.begin_s,
            count,
            self.temp_c + (temp_c - self.temp_c) / count,
            self.power_w + (power_w - self.power_w) / count,
        )


class IdleLog:
    """Remembers the stretches that say most, some thousand numbers in all, however long it runs."""

    def __init__(self, stretches: Iterable[Stretch] = ()) -> None:
        """`stretches` are those of earlier starts."""
        self._kept = list(stretches)
        self._visits: dict[int, list[_Visit]] = {}  # of this stretch, by half degree
        self._held: deque[tuple[float, float, float]] = deque()  # seconds, °C, watts
        self._begin_s, self._begin = -math.inf, 0.0

    def feed(self, time_s: float, date: float, temp_c: float, power_w: float) -> None:
        """Take the mean of about a second of an idle board.

        `time_s` is monotonic, `date` in Unix seconds.
        """
        if not (_within(temp_c, _TEMPS_C) and _within(power_w, _POWERS_W)):
            return
        last_s = self._held[-1][0] if self._held else -math.inf
        if not (0.0 <= time_s - last_s < _PAUSE_S and time_s - self._begin_s < LONGEST_S):
            self._count(len(self._held))
            self._end(time_s, date)
        self._held.append((time_s, temp_c, power_w))
        if len(self._held) >= _HELD:
            jumps = self._jumps()
            self._count(_HELD // 2 if jumps else 1)
            if jumps:
                self._end(time_s, date)

    def stretches(self) -> list[Stretch]:
        """All that is remembered, the present one included where it says something."""
        now = Stretch(self._begin, _cells(self._visits))
        return [*self._kept, now] if now.span_c >= SPAN_C else list(self._kept)

    def _jumps(self) -> bool:
        """Whether the power has changed by more than the temperature could do in that time.

        Not by a coarse sensor, whose own steps would be taken for changes.
        """
        powers = [power_w for _, _, power_w in self._held]
        before, after = median(powers[: _HELD // 2]), median(powers[_HELD // 2 :])
        noise_w = median(abs(b - a) for a, b in pairwise(powers))
        jump_w = abs(after - before)
        return jump_w > _JUMP * before + _TO_MEDIAN * noise_w and noise_w > _COARSE * jump_w

    def _count(self, number: int) -> None:
        """Have the oldest readings that are held count in this stretch."""
        for _ in range(number):
            time_s, temp_c, power_w = self._held.popleft()
            visits = self._visits.setdefault(math.floor(temp_c / _BIN_C), [])
            if visits and time_s - visits[-1].begin_s < _VISIT_S:
                visits[-1] = visits[-1].joined(temp_c, power_w)
            else:
                visits.append(_Visit(time_s, 1, temp_c, power_w))

    def _end(self, time_s: float, date: float) -> None:
        """Keep the stretch that is over, in place of the one that says least."""
        known = [one for one in self.stretches() if date - one.begin < _OLDEST_S]
        self._visits.clear()
        if len(known) > _MOST:
            known.remove(min(known, key=lambda one: _worth(one, date)))
        self._kept, self._begin_s, self._begin = known, time_s, date


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _worth(one: Stretch, date: float) -> float:
    """How much a stretch says of the slope of power over temperature."""
    middle_c = fmean(cell.temp_c for cell in one.cells)
    return one.count(date) * sum((cell.temp_c - middle_c) ** 2 for cell in one.cells)


def _cells(visits: dict[int, list[_Visit]]) -> tuple[Cell, ...]:
    """One for each half degree."""
    return tuple(_cell(each) for _, each in sorted(visits.items()))


def _cell(visits: list[_Visit]) -> Cell:
    powers = [v.power_w for v in visits]
    counts = [v.count / (v.count + _FEW) for v in visits]
    total = sum(counts)
    temp_c = sum(v.temp_c * n for v, n in zip(visits, counts, strict=True)) / total
    mean_w = sum(w * n for w, n in zip(powers, counts, strict=True)) / total
    return Cell(temp_c, median(powers) if len(powers) >= _MANY else mean_w, total)
