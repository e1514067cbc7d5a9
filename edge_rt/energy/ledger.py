"""The ledger: what each request took, and what each day took, on disk and in bounds."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edge_rt.core.logs import Trouble
from edge_rt.core.reports.board import AppTotal, ModelTotal
from edge_rt.core.system.database import LEAST_BYTES
from edge_rt.core.system.storage import Storage
from edge_rt.energy.ledger_records import (
    DAY_S,
    HOUR_S,
    KEPT,
    Day,
    Pending,
    Quality,
    UsageRecord,
    utc_day,
)
from edge_rt.energy.ledger_tables import LEDGER, LedgerTables

JUMP_S = 60.0
SETTLED_S = 3600.0
FLUSH_S = 10.0  # how often `flush` is to be called
IDLE_S = 600.0  # how often sums are written while no request ends
PRUNE_S = 3600.0
_DAYS = 40  # that are searched for a day: a clock that was wrong may have left days to come
T = TypeVar("T")
log = logging.getLogger(__name__)


class SteadyClock:
    """The wall's time once nobody has set the clock for an hour.

    A board without a battery for its clock starts in 1970, or when its image was made, until the
    network tells it the time. Whether the clock was set shows in its distance to the monotonic
    clock, which changes by more than JUMP_S then.
    """

    def __init__(self, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._apart: float | None = None
        self._since = 0.0

    def settled(self) -> float | None:
        """Unix seconds; None in the first hour and for an hour after the clock was set."""
        now, ticks = self._clock(), self._monotonic()
        apart = now - ticks
        if self._apart is None or abs(apart - self._apart) > JUMP_S:
            self._since = ticks
        self._apart = apart
        return now if ticks - self._since >= SETTLED_S else None


class Book:
    """Requests and sums in SQLite; `path` None keeps them in memory alone.

    `book` and `measured` touch memory only and may be called from an event loop. All else waits
    for the disk: call it in a thread (`asyncio.to_thread`), `flush` every FLUSH_S seconds and
    `close` at the end. Any threads may call at once; what is not yet written counts in answers.

    Nothing is written while nothing changed; sums alone are written every IDLE_S, for each time
    costs a disk about 85 kB: two pages, and what ext4 does for them. A kill loses at most what came
    since the last flush, a power cut perhaps half a minute more; the file stays whole.

    Single requests are pruned by age, `days`, and by the size of all files, `max_bytes`; sums
    stay. Requests belong to the UTC day of their end and the supply's joules to the day that
    `clock` says, right or wrong. By age is pruned only after nobody set the clock for an hour,
    so that a board that starts in 1970 loses nothing then; see also `LedgerTables.prune`.

    While the file cannot be written, all sums and the newest KEPT requests are held in memory;
    the file gets them once it can. A ledger that is damaged or of a newer version is moved to
    NAME.corrupt-UNIXTIME and a new one begun; another program's file is left alone, and all kept
    in memory.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        days: int,
        max_bytes: int,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare the ledger, opening nothing yet.

        Raises ValueError where `max_bytes` is below LEAST_BYTES.
        """
        if max_bytes < LEAST_BYTES:
            raise ValueError(f"max_bytes is {max_bytes}: a ledger needs at least {LEAST_BYTES}")
        self._days = days
        self._clock = clock
        self._monotonic = monotonic
        self._steady = SteadyClock(clock, monotonic)
        self._pending = Pending()
        self._memory = threading.Lock()  # for self._pending, never held during a disk's work
        self._disk = threading.Lock()  # for all below; taken before self._memory
        self._storage = None if path is None else _storage(path, max_bytes, clock)
        self._idle_at = self._prune_at = -math.inf

    @property
    def trouble(self) -> Trouble | None:
        """Whether and why the file cannot be used; None in memory alone."""
        return None if self._storage is None else self._storage.trouble

    @property
    def stored(self) -> bool:
        """False while nothing can be written, and in memory alone."""
        return self.trouble is not None and self.trouble.told is None

    def book(self, entry: UsageRecord) -> None:
        """Take a request that ended."""
        with self._memory:
            self._pending.book(entry)

    def tail(self, total: AppTotal) -> None:
        """Take joules of an application that are no request's."""
        with self._memory:
            self._pending.totals((), (), (total,))

    def measured(
        self,
        energy_j: float,
        attributed_j: float,
        covered_s: float,
        missing_s: float,
        quality: Quality,
        idle_j: float = 0.0,
    ) -> None:
        """Take what the supply's total grew by since the last call.

        Raises ValueError where a figure is not finite.
        """
        figures = (energy_j, attributed_j, covered_s, missing_s, idle_j)
        if not all(map(math.isfinite, figures)):
            raise ValueError(f"{figures}: joules and seconds of the ledger are finite")
        if any(figures):
            now = self._clock()
            quality = quality if covered_s > 0 else "unresolved"
            with self._memory:
                self._pending.day(Day(utc_day(now), quality, *figures))
                self._pending.hour(math.floor(now / HOUR_S), energy_j)

    def flush(self, *, everything: bool = False) -> None:
        """Write what is due: requests at once, sums alone every IDLE_S, or `everything`."""
        if self._storage is None:
            return
        with self._disk:
            now = self._steady.settled()
            if not (everything or self._due()):
                return
            written = None
            with self._memory:
                batch, self._pending = self._pending, Pending()
            try:
                written = self._storage.attempt(
                    lambda tables: self._write(tables, batch, now), proves=True
                )
            finally:
                if not written:
                    with self._memory:
                        batch.add(self._pending)
                        self._pending = batch

    def totals(self, days: int) -> tuple[list[Day], list[ModelTotal]]:
        """Return the sums of the newest `days` days on record, newest first, models by name.

        From memory alone while the file cannot be read.
        """
        with self._disk:
            stored = self._read(lambda tables: tables.totals(days), ([], []))
            both = Pending()
            both.totals(*stored)
            with self._memory:
                both.totals(self._pending.days.values(), self._pending.models.values())
        return both.newest(days)

    def apps(self, since: str) -> list[AppTotal]:
        """Return the sums of applications of that day and later ones, in no order.

        From memory alone like `totals`.
        """
        with self._disk:
            both = Pending()
            both.totals((), (), self._read(lambda tables: tables.apps(since), []))
            with self._memory:
                both.totals((), (), self._pending.apps.values())
        return [app for app in both.apps.values() if app.day >= since]

    def app_j(self, since: float) -> dict[str, float]:
        """Return the stored joules of each application's requests that ended after `since`."""
        with self._disk:
            return self._read(lambda tables: tables.app_j(since), {})

    def hour_j(self, number: int) -> float:
        """Return the supply's joules of that hour since 1970; from memory alone like `totals`.

        Hours are kept for about two days.
        """
        with self._disk:
            stored_j = self._read(lambda tables: tables.hour_j(number), 0.0)
            with self._memory:
                return stored_j + self._pending.hours.get(number, 0.0)

    def day_j(self, number: int) -> float:
        """Return the supply's joules of that day since 1970; from memory alone like `totals`."""
        wanted, (days, _) = utc_day(number * DAY_S), self.totals(_DAYS)
        return sum(day.energy_j for day in days if day.day == wanted)

    def recent(self, count: int) -> list[UsageRecord]:
        """Return the last `count` requests, newest first; from memory alone like `totals`."""
        with self._disk:
            with self._memory:
                newest = list(reversed(self._pending.entries))[:count]
            rest = count - len(newest)
            return newest + self._read(lambda tables: tables.recent(rest), [])

    def close(self) -> None:
        """Write everything and let go of the file."""
        if self._storage is None:
            return
        self.flush(everything=True)
        with self._disk:
            self._storage.close()
            if not self.stored and (lost := str(self._pending)):
                log.warning("%s cannot be written: %s are lost", self._storage.path, lost)

    def _due(self) -> bool:
        """Return whether there is anything to write, or to try."""
        with self._memory:
            requests, sums = bool(self._pending.entries), bool(self._pending.days)
        now = self._monotonic()
        waited = sums and now >= self._idle_at
        return requests or waited or not self.stored or now >= self._prune_at

    def _write(self, tables: LedgerTables, batch: Pending, now: float | None) -> bool:
        ticks = self._monotonic()
        if ticks >= self._prune_at:
            if now is not None:
                tables.prune(now, self._days)
            self._prune_at = ticks + PRUNE_S
        tables.write(batch)
        self._idle_at = ticks + IDLE_S
        return True

    def _read(self, ask: Callable[[LedgerTables], T], otherwise: T) -> T:
        found = None if self._storage is None else self._storage.attempt(ask)
        return otherwise if found is None else found


def _storage(path: Path, max_bytes: int, clock: Callable[[], float]) -> Storage[LedgerTables]:
    without = f"sums and the last {KEPT} requests are kept in memory alone"
    return Storage(path, LEDGER, lambda: LedgerTables(path, max_bytes), clock, without)
