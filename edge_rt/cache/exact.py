"""Answers to the very same question."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from edge_rt.cache.kept import Group, Kept, Which
from edge_rt.cache.recent import Recent
from edge_rt.cache.tables import SCHEMA, SHARE, Tables
from edge_rt.database.storage import Storage

log = logging.getLogger(__name__)

T = TypeVar("T")


class ExactCache:
    """Answers by their keys: those that were used last in memory, all of them in a file.

    For one event loop, which never waits for the disk. An answer is found for `ttl_s` seconds
    after it was made, as far as the clock can tell: one from the future is not. File and memory
    are bounded by `max_bytes` and `memory_bytes`; who was not used for longest goes first, and an
    answer of more than a SHARE of the file is not kept.

    A kill loses at most what came in its last moments; the file stays whole. One that is damaged
    or of another version is moved to NAME.corrupt-UNIXTIME and a new one begun. While the file
    cannot be written, for want of room say, what is in memory goes on.
    """

    def __init__(
        self,
        path: Path,
        *,
        ttl_s: float,
        max_bytes: int,
        memory_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Opens nothing yet. `clock` gives Unix seconds."""
        self.ttl_s, self.max_bytes = ttl_s, max_bytes
        self.file_bytes: int | None = None  # of answers; None while that is not known
        self._clock = clock
        self._recent = Recent(memory_bytes)
        self._new: dict[bytes, Kept] = {}  # not yet in the file
        self._used: dict[bytes, float] = {}  # since it was noted there
        self._news = asyncio.Event()
        self._purges = 0
        self._writing = asyncio.Lock()  # what is forgotten must not be written after that
        self._disk = threading.Lock()  # for all below
        self._storage = Storage(path, SCHEMA, lambda: Tables(path, max_bytes), clock)
        self._failing = False

    @property
    def stored(self) -> bool:
        """False while the file cannot be used."""
        return not self._failing

    async def find(self, key: bytes) -> Kept | None:
        """The answer of that key, if there is one."""
        kept = self._recent.get(key)
        if kept is None:
            purges = self._purges
            read = await self._do(lambda tables: tables.read(key))
            kept = self._recent.get(key) or read  # it may have been answered anew meanwhile
            if kept is None or purges != self._purges:
                return None
            self._recent.put(kept)
        now = self._clock()
        if not 0 <= now - kept.made < self.ttl_s:
            return None
        self._used[key] = now
        return kept

    def keep(self, kept: Kept) -> None:
        """Take an answer, in place of any of its key."""
        if kept.size > self.max_bytes // SHARE:
            return
        self._recent.put(kept)
        self._new[kept.key] = kept
        self._news.set()

    async def purge(self, which: Which) -> int:
        """Forget `which` answers; how many the file had of them."""
        now = self._clock()
        self._purges += 1
        self._recent.drop(lambda kept: which.fits(kept, now))
        await self._write()
        return await self._do(lambda tables: tables.purge(which, now), writes=True) or 0

    async def groups(self) -> list[Group]:
        """What the file has, by model and client."""
        await self._write()
        return await self._do(Tables.groups) or []

    async def pages(self, most: int) -> AsyncGenerator[list[Kept]]:
        """All that the file has, at most so many at a time, the oldest writing first."""
        await self._write()
        last, rows = 0, True
        while rows:
            rows = await self._do(lambda tables, last=last: tables.page(last, most)) or []
            if rows:
                last = rows[-1][0]
                yield [kept for _, kept in rows]

    async def run(self) -> None:
        """Bring what is new to the file, as long as this runs."""
        while True:
            await self._news.wait()
            await self._write()

    async def close(self) -> None:
        """Write all there is, and let go of the file."""
        await self._write()
        with self._disk:
            self._storage.close()

    async def _write(self) -> None:
        async with self._writing:
            new, self._new = self._new, {}
            used, self._used = self._used, {}
            self._news.clear()
            if new or used:
                await self._do(lambda tables: self._put(tables, new, used), writes=True)

    def _put(self, tables: Tables, new: Mapping[bytes, Kept], used: Mapping[bytes, float]) -> None:
        now = self._clock()
        tables.expire(now - self.ttl_s)
        tables.use(used)
        for kept in new.values():
            tables.write(kept, now)

    async def _do(self, work: Callable[[Tables], T], *, writes: bool = False) -> T | None:
        """Have it done with the file; None where that cannot be used now.

        That it can again is seen where something is written.
        """
        return await asyncio.to_thread(self._done, work, writes)

    def _done(self, work: Callable[[Tables], T], writes: bool) -> T | None:
        with self._disk:
            try:
                done, self.file_bytes = self._storage.do(lambda t: (work(t), t.used_bytes))
            except (sqlite3.Error, OSError) as error:
                self._fault(error)
                return None
            if writes and self._failing:
                self._failing = False
                log.info("%s is written again", self._storage.path)
            return done

    def _fault(self, error: Exception) -> None:
        if not self._failing:
            text = "%s cannot be used (%s): answers are kept in memory alone"
            log.warning(text, self._storage.path, error)
        self._failing = True
