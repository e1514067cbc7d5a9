"""Answers to the very same question."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from edge_rt.core.cached import Group, Kept, Which
from edge_rt.core.errors import Unavailable
from edge_rt.core.system.storage import Storage
from edge_rt.generation.cache.tables import SCHEMA, SHARE, Recent, Tables

T = TypeVar("T")

AGAIN_S = 10.0  # until a file that could not be used is tried again


class ExactCache:
    """Answers by their keys: those that were used last in memory, all of them in a file.

    For one event loop, which never waits for the disk. An answer is found for `ttl_s` seconds
    after it was made, as far as the clock can tell: one from the future is not. File and memory
    are bounded by `max_bytes` and `memory_bytes`; who was not used for longest goes first, and an
    answer of more than a SHARE of the file is not kept.

    A kill loses at most what came in its last moments; the file stays whole. One that is damaged
    or of another version is moved to NAME.corrupt-UNIXTIME and a new one begun. While the file
    cannot be written, for want of room say, what is in memory goes on, and gets there once it can.
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
        """Prepare the cache, opening nothing. `clock` gives Unix seconds."""
        self.ttl_s, self.max_bytes = ttl_s, max_bytes
        self.file_bytes: int | None = None  # of answers; None while that is not known
        self._clock = clock
        self._recent = Recent(memory_bytes)
        self._new: dict[bytes, Kept] = {}  # not yet in the file
        self._used: dict[bytes, float] = {}  # since it was noted there
        self._news = asyncio.Event()
        self._purges = 0
        self._writing = asyncio.Lock()  # what is forgotten must not be written after that
        without = "answers are kept in memory alone"
        self._storage = Storage(path, SCHEMA, lambda: Tables(path, max_bytes), clock, without)
        self.trouble = self._storage.trouble  # the fault of the file, if it cannot be used

    async def find(self, key: bytes) -> Kept | None:
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
        """Forget `which` answers; how many the file had of them.

        Raises Unavailable where it keeps them, since it cannot be written.
        """
        now = self._clock()
        self._purges += 1
        self._recent.drop(lambda kept: which.fits(kept.model, kept.client, now - kept.made))
        await self._write()
        gone = await self._do(lambda tables: tables.purge(which, now), proves=True)
        if gone is None:
            what = f"{self._storage.path} cannot be written, so what it keeps is not forgotten"
            raise Unavailable(what, retry_after_s=AGAIN_S, code="not_forgotten")
        return gone

    async def groups(self) -> list[Group]:
        """Return what the file has, by model and client."""
        await self._write()
        return await self._do(Tables.groups) or []

    async def pages(self, most: int) -> AsyncGenerator[list[Kept]]:
        """Yield all that the file has, at most so many at a time, the oldest writing first.

        Raises Unavailable where it cannot be read.
        """
        await self._write()
        last, rows = 0, True
        while rows:
            rows = await self._do(lambda tables, last=last: tables.page(last, most))
            if rows is None:
                raise Unavailable(f"{self._storage.path} cannot be read", retry_after_s=AGAIN_S)
            if rows:
                last = rows[-1][0]
                yield [kept for _, kept in rows]

    async def run(self, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Bring what is new to the file, as long as this runs."""
        while True:
            await self._news.wait()
            if not await self._write():
                await pause(AGAIN_S)

    async def close(self) -> None:
        """Write all there is, and let go of the file."""
        await self._write()
        await asyncio.to_thread(self._storage.close)

    async def _write(self) -> bool:
        """Return whether the file has all there is."""
        async with self._writing:
            new, self._new = self._new, {}
            used, self._used = self._used, {}
            self._news.clear()
            if not (new or used or self.trouble.told):
                return True
            if await self._do(lambda tables: self._put(tables, new, used), proves=True):
                return True
            left = {key: kept for key, kept in new.items() if kept in self._recent}
            self._new = left | self._new
            return False

    def _put(self, tables: Tables, new: Mapping[bytes, Kept], used: Mapping[bytes, float]) -> bool:
        now = self._clock()
        tables.expire(now - self.ttl_s)
        tables.use(used)
        for kept in new.values():
            tables.write(kept, now)
        return True

    async def _do(self, work: Callable[[Tables], T], *, proves: bool = False) -> T | None:
        """Do `work` on the file; return None where that cannot be used now. See Storage."""
        done = await asyncio.to_thread(self._done, work, proves)
        if self.trouble.told:
            self._news.set()  # so that it is tried again
        return done

    def _done(self, work: Callable[[Tables], T], proves: bool) -> T | None:
        done = self._storage.attempt(
            lambda tables: (work(tables), tables.used_bytes), proves=proves
        )
        if done is None:
            return None
        found, self.file_bytes = done
        return found
