"""What the user allows, and what was spent of it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edge_rt.energy.ledger import Book
from edge_rt.energy.ledger_records import utc_day

Period = Literal["hour", "day"]
PERIOD_S: dict[Period, float] = {"hour": 3600.0, "day": 86400.0}


@dataclass(frozen=True)
class Budget:
    """Caps that hold at all times; None: no such cap.

    Power is the supply's mean over any `power_window_s`; within a pass it may be up to `peak_ratio`
    times the cap, as predicted. Energy is the supply's over each clock hour or UTC day.
    """

    power_w: float | None = None
    power_window_s: float = 1.0
    peak_ratio: float = 1.5
    temp_c: float | None = None
    energy_j: float | None = None
    energy_period: Period = "day"

    @property
    def empty(self) -> bool:
        """Whether nothing is capped; the board's own trip points hold all the same."""
        return self.power_w is None and self.temp_c is None and self.energy_j is None


_DAYS = 40  # of the ledger to look through: a clock that was wrong may have left days to come
_LEAP_S = 60.0  # no two calls of `add` are so far apart unless somebody set the clock


class EnergySpent:
    """The joules of the present hour and day; the ledger has those of before the start.

    Where the clock is set into another hour or day, that one's joules are recalled as well.
    """

    def __init__(self, book: Book, wall: Callable[[], float] = time.time) -> None:
        """`wall` gives Unix seconds."""
        self._book, self._wall = book, wall
        self._energies_j: dict[Period, float] = {"hour": 0.0, "day": 0.0}
        self._added_s = wall()
        self._numbers = {period: _number(period, self._added_s) for period in PERIOD_S}
        self._torn: set[Period] = set(PERIOD_S)  # of which the beginning is not known

    def add(self, energy_j: float) -> None:
        """Take what was drawn since the last call."""
        now, before = self._wall(), self._added_s
        self._added_s = now
        for period in PERIOD_S:
            number = _number(period, now)
            if number != self._numbers[period]:
                self._numbers[period], self._energies_j[period] = number, 0.0
                seen_begin = 0.0 <= now - before < _LEAP_S
                (self._torn.discard if seen_begin else self._torn.add)(period)
            self._energies_j[period] += energy_j

    def energy_j(self, period: Period) -> float:
        """Joules of the present hour or day so far."""
        return self._energies_j[period]

    def left_s(self, period: Period) -> float:
        """Seconds until it is over."""
        return PERIOD_S[period] - self._wall() % PERIOD_S[period]

    async def recall(self) -> None:
        """Read from the ledger what was drawn before the daemon started or the clock was set."""
        for period, find in (("day", self._day_j), ("hour", self._book.hour_j)):
            number = self._numbers[period]
            if period in self._torn:
                found_j = await asyncio.to_thread(find, number)
                if period in self._torn and number == self._numbers[period]:
                    # The ledger has what was added here since, too.
                    self._energies_j[period] = max(self._energies_j[period], found_j)
                    if self._book.stored:
                        self._torn.discard(period)

    def _day_j(self, number: int) -> float:
        days, _ = self._book.totals(_DAYS)
        today = utc_day(number * PERIOD_S["day"])
        return sum(day.energy_j for day in days if day.day == today)


def _number(period: Period, unix_s: float) -> int:
    return math.floor(unix_s / PERIOD_S[period])
