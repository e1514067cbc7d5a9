"""Idle power by temperature, pooled over weeks.

Other programs come and go, so only differences between readings of one stretch, in which none
begins or ends, tell anything about the chip.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import NamedTuple

LONGEST_S = 3600.0  # longest stretch
SPAN_C = 3.0  # least range of temperatures of a stretch that is kept
_DAY_S = 86_400.0
_OLDEST_S, _HALF_S = 60.0 * _DAY_S, 14.0 * _DAY_S  # age at which a stretch is dropped; half-life
_MOST = 64  # stretches that are kept
_PAUSE_S = 10.0  # gap between readings that ends a stretch: the board was at work
_HELD = 10  # readings that are checked for a jump before they count
_JUMP = 0.015  # relative, between the halves of these: another program has begun or ended
_COARSE = 0.1  # share of a jump; if noise is below it, the jump is a step of a coarse sensor
_BIN_C = 0.5  # width of a cell
_VISIT_S = 60.0  # longest visit of a cell; later readings belong to another visit
_FEW = 4.0  # readings at which a visit has half of its full weight
_TO_MEDIAN = 3.0  # times the usual step of readings, by which noise parts medians of a few
_MANY = 3  # visits from which on a cell takes their median, and not their mean
_TEMPS_C, _POWERS_W = (-60.0, 200.0), (0.0, 1e4)  # possible readings of a working board


class TemperatureCell(NamedTuple):
    """Mean temperature and power within half a degree, and the weight of the visits to it."""

    temp_c: float
    power_w: float
    visits: float


@dataclass(frozen=True)
class Stretch:
    """Cells of a time in which other programs' power stays the same, coldest first."""

    begin: float  # Unix seconds
    cells: tuple[TemperatureCell, ...]

    @property
    def span_c(self) -> float:
        """Kelvins from the coldest to the warmest cell."""
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
        """Its weight at `now`, in Unix seconds: 1 at first, halved every two weeks."""
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
    """Keeps the stretches that tell most about leakage, a few thousand numbers at most."""

    def __init__(self, stretches: Iterable[Stretch] = ()) -> None:
        """`stretches` are those of earlier starts."""
        self._kept = list(stretches)
        self._visits: dict[int, list[_Visit]] = {}  # of this stretch, by half degree
        self._held: deque[tuple[float, float, float]] = deque()  # seconds, °C, watts
        self._begin_s, self._begin = -math.inf, 0.0

    def feed(self, time_s: float, date: float, temp_c: float, power_w: float) -> None:
        """Take the means of about one second of an idle board.

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
        """All stretches that are kept, and the present one if its range suffices."""
        now = Stretch(self._begin, _cells(self._visits))
        return [*self._kept, now] if now.span_c >= SPAN_C else list(self._kept)

    def _jumps(self) -> bool:
        """Whether the power has jumped by more than the temperature could cause in that time.

        The steps of a coarse sensor do not count.
        """
        powers = [power_w for _, _, power_w in self._held]
        before, after = median(powers[: _HELD // 2]), median(powers[_HELD // 2 :])
        noise_w = median(abs(b - a) for a, b in pairwise(powers))
        jump_w = abs(after - before)
        return jump_w > _JUMP * before + _TO_MEDIAN * noise_w and noise_w > _COARSE * jump_w

    def _count(self, number: int) -> None:
        """Move the oldest `number` readings on hold into this stretch."""
        for _ in range(number):
            time_s, temp_c, power_w = self._held.popleft()
            visits = self._visits.setdefault(math.floor(temp_c / _BIN_C), [])
            if visits and time_s - visits[-1].begin_s < _VISIT_S:
                visits[-1] = visits[-1].joined(temp_c, power_w)
            else:
                visits.append(_Visit(time_s, 1, temp_c, power_w))

    def _end(self, time_s: float, date: float) -> None:
        """End the present stretch; beyond _MOST stretches, the one that tells least is dropped."""
        known = [one for one in self.stretches() if date - one.begin < _OLDEST_S]
        self._visits.clear()
        if len(known) > _MOST:
            known.remove(min(known, key=lambda one: _worth(one, date)))
        self._kept, self._begin_s, self._begin = known, time_s, date


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _worth(one: Stretch, date: float) -> float:
    """The information that a stretch holds about the slope of power over temperature."""
    middle_c = fmean(cell.temp_c for cell in one.cells)
    return one.count(date) * sum((cell.temp_c - middle_c) ** 2 for cell in one.cells)


def _cells(visits: dict[int, list[_Visit]]) -> tuple[TemperatureCell, ...]:
    """One cell for each half degree."""
    return tuple(_cell(each) for _, each in sorted(visits.items()))


def _cell(visits: list[_Visit]) -> TemperatureCell:
    powers = [v.power_w for v in visits]
    counts = [v.count / (v.count + _FEW) for v in visits]
    total = sum(counts)
    temp_c = sum(v.temp_c * n for v, n in zip(visits, counts, strict=True)) / total
    mean_w = sum(w * n for w, n in zip(powers, counts, strict=True)) / total
    return TemperatureCell(temp_c, median(powers) if len(powers) >= _MANY else mean_w, total)


GAP_S = 5.0  # not seen for longer, a board may have done anything
_GRAIN_C = 1.0  # of the coarsest sensors, until finer steps are seen
_FINEST_C = 0.01
_JUMP_C = 8.0  # between two temperatures; what is farther off has to be seen twice
_SEEN_C = (-60.0, 200.0)
_LEAST_W = -10.0  # sensors with an offset read a little below nothing
_ERROR_C = 0.1  # that sensors have besides their steps
_SOONEST_S = 1e-3  # between two readings; what comes faster tells nothing
_USUAL_S = 0.2  # between readings whose errors are taken to be independent


@dataclass(frozen=True)
class ThermalReading:
    """What happened in the last `dt_s`; `known` tells whether the power was read."""

    dt_s: float
    temp_c: float | None
    power_w: float
    known: bool
    fan: float
    error_c: float  # standard deviation of `temp_c`
    gap: bool  # after a pause so long that the state is taken again


class ReadingFilter:
    """Holds the last power and drive of the fan where they are missing."""

    def __init__(self, most_w: float = 10_000.0) -> None:
        """No board of this kind draws more than `most_w`."""
        self.temp_c: float | None = None  # the last one
        self.power_w: float | None = None
        self.fan = 0.0  # the last drive; 0 where none was read
        self.blind_s = 0.0  # since the last temperature
        self.grain_c = _GRAIN_C  # the smallest step of the temperature so far
        self._powers_w = (_LEAST_W, most_w)
        self._doubted_c: float | None = None  # has come once, far from the ones before
        self._time_s: float | None = None

    def take(
        self, time_s: float, temp_c: float | None, power_w: float | None, fan: float | None
    ) -> ThermalReading | None:
        """The next reading; None where it is out of order, or as long as no power was seen."""
        last_s = time_s - GAP_S - 1.0 if self._time_s is None else self._time_s
        dt_s = time_s - last_s
        if not math.isfinite(dt_s) or -GAP_S < dt_s < _SOONEST_S:
            return None
        self._time_s = time_s
        gap = not _SOONEST_S <= dt_s <= GAP_S
        temp_c = self._seen_c(_possible(temp_c, *_SEEN_C), max(0.0, dt_s), gap)
        power_w = _possible(power_w, *self._powers_w)
        self.fan = self.fan if fan is None or math.isnan(fan) else min(1.0, max(0.0, fan))
        self.power_w = self.power_w if power_w is None else max(0.0, power_w)
        if self.power_w is None:
            return None
        known, error_c = power_w is not None, self._error_c(dt_s)
        return ThermalReading(dt_s, temp_c, self.power_w, known, self.fan, error_c, gap)

    def _seen_c(self, temp_c: float | None, dt_s: float, gap: bool) -> float | None:
        """The temperature, if it counts: buses garble a reading now and then."""
        if temp_c is None or not (self._likely(temp_c) or (gap and self.temp_c is not None)):
            self._doubted_c = self._doubted_c if temp_c is None else temp_c
            self.blind_s += dt_s
            return None
        step_c = 0.0 if self.temp_c is None else abs(temp_c - self.temp_c)
        if step_c >= _FINEST_C:
            self.grain_c = min(self.grain_c, step_c)
        self.temp_c, self._doubted_c, self.blind_s = temp_c, None, 0.0
        return temp_c

    def _likely(self, temp_c: float) -> bool:
        near = (self.temp_c, self._doubted_c)
        return any(c is not None and abs(temp_c - c) <= _JUMP_C for c in near)

    def _error_c(self, dt_s: float) -> float:
        """Rounding repeats itself as long as little changes, so it counts for twice its size."""
        once_c = math.sqrt(self.grain_c**2 / 3.0 + _ERROR_C**2)
        return once_c * math.sqrt(max(1.0, _USUAL_S / max(dt_s, _SOONEST_S)))


def _possible(value: float | None, low: float, high: float) -> float | None:
    return value if value is not None and low <= value <= high else None
