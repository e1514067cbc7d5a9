"""The supply's joules of the present clock hour and UTC day, over restarts of the daemon."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from edge_rt.durable import replace_file
from edge_rt.energy.book import Book
from edge_rt.energy.entry import utc_day
from edge_rt.governor.budget import PERIOD_S, Period
from edge_rt.trouble import Trouble

log = logging.getLogger(__name__)

KEEP_S = 60.0  # between two writes of the hour, as long as it is capped
_DAYS = 40  # of the ledger to look through: a clock that was wrong may have left days to come
_LEAP_S = 60.0  # no two calls of `add` are so far apart unless somebody set the clock


class _Hour(msgspec.Struct, frozen=True):
    """What is kept on disk; `number` counts hours since 1970."""

    number: int
    energy_j: Annotated[float, Meta(ge=0)]


class Spent:
    """Adds up what is drawn. The ledger knows the day so far, a small file the hour.

    Where the clock is set into another hour or day, that one's joules are recalled as well.
    """

    def __init__(self, book: Book, path: Path, wall: Callable[[], float] = time.time) -> None:
        """`path` is the hour's file; `wall` gives Unix seconds."""
        self._book, self._path, self._wall = book, path, wall
        self._energies_j: dict[Period, float] = {"hour": 0.0, "day": 0.0}
        self._added_s = wall()
        self._numbers = {period: _number(period, self._added_s) for period in PERIOD_S}
        self._torn: set[Period] = set(PERIOD_S)  # of which the beginning is not known
        self._kept_s = -math.inf
        self.trouble = Trouble(log, "the joules of this hour cannot be kept")

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
        """Find out what was drawn before the daemon started, or before the clock was set."""
        for period, find in (("day", self._day_j), ("hour", self._hour_j)):
            number = self._numbers[period]
            if period in self._torn:
                before_j = await asyncio.to_thread(find, number)
                if period in self._torn and number == self._numbers[period]:
                    if period == "hour" or self._book.stored:
                        self._torn.discard(period)
                    self._take(period, before_j)

    async def keep(self, every_s: float = KEEP_S) -> None:
        """Write the hour down where that was not done for `every_s` seconds."""
        now = self._wall()
        if 0.0 <= now - self._kept_s < every_s:
            return
        await self.recall()  # before it is written over
        self._kept_s = now
        hour = _Hour(self._numbers["hour"], self._energies_j["hour"])
        await asyncio.to_thread(self._save, hour)

    def _take(self, period: Period, before_j: float) -> None:
        """Add what was drawn before; the ledger has what was added here since, the file has not."""
        now_j = self._energies_j[period]
        self._energies_j[period] = max(now_j, before_j) if period == "day" else now_j + before_j

    def _day_j(self, number: int) -> float:
        days, _ = self._book.totals(_DAYS)
        today = utc_day(number * PERIOD_S["day"])
        return sum(day.energy_j for day in days if day.day == today)

    def _hour_j(self, number: int) -> float:
        try:
            hour = msgspec.json.decode(self._path.read_bytes(), type=_Hour)
        except (OSError, ValueError, msgspec.MsgspecError):  # none yet, or cut off with the power
            return 0.0
        return hour.energy_j if hour.number == number else 0.0

    def _save(self, hour: _Hour) -> None:
        try:
            replace_file(self._path, msgspec.json.encode(hour))
        except OSError as error:
            self.trouble.met(error.strerror or error)
        else:
            self.trouble.over()


def _number(period: Period, unix_s: float) -> int:
    return math.floor(unix_s / PERIOD_S[period])
