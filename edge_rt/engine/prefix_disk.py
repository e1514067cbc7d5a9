"""Beginnings of prompts on the disk, read and written beside the decode loop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_rt.cache.kept import Which
from edge_rt.cache.prefix_file import Head, Whole, size_of
from edge_rt.cache.prefix_folder import PrefixFolder
from edge_rt.cache.prefix_shelf import PrefixShelf, Stored
from edge_rt.engine.aside import Aside
from edge_rt.engine.prefix_fetch import Fetch, PrefixFetcher, Then
from edge_rt.engine.protocol import KeepPrefixes

log = logging.getLogger(__name__)

_WAITING_BYTES = 64 << 20  # of states that wait to be written
_USE_S = 3600.0  # a use is noted on the disk no more often


class PrefixDisk:
    """What is kept of all models, and what is being read and written of it.

    Its methods are for the thread of the decode loop, which never waits for the disk; what came
    of it is taken in by `settle`. A disk that is full or fails means prompts that are read anew.
    """

    def __init__(
        self,
        keep: KeepPrefixes,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`clock` is in seconds, `wall` gives Unix seconds."""
        folder = PrefixFolder(Path(keep.folder))
        self.shelf = PrefixShelf(keep.max_bytes, keep.hourly_bytes, wall)
        self.fetcher = PrefixFetcher(folder, self.shelf, clock)
        self.per_client = keep.per_client
        self.stored = True  # False while nothing can be written
        self.wall = wall
        self._folder, self._clock = folder, clock
        self._writer = Aside[Then]("prefix writer")
        self._writing: list[Head] = []
        self._waiting_bytes = 0
        self._forgotten: list[Head] = []  # of those that are being written
        self._scanned = False
        self._to_forget: list[Then] = []  # once it is known what there is
        self._writer.do(self._scan)

    def filenos(self) -> tuple[int, int]:
        """The descriptors that become readable when there is something to settle."""
        return self.fetcher.aside.fileno(), self._writer.fileno()

    def settle(self) -> None:
        """Take in what came of reading and writing."""
        for aside in (self.fetcher.aside, self._writer):
            for then in aside.finished():
                then()

    def finish(self, seconds: float) -> None:
        """Wait for what is being written, no longer than that."""
        written = threading.Event()
        self._aside(written.set)
        written.wait(seconds)

    def used(self, fetch: Fetch, size: int, seconds: float) -> None:
        """A state of so many bytes was put into a sequence in so many seconds."""
        self.fetcher.took(fetch, size, seconds)
        now, stored = self.wall(), fetch.stored
        if now - stored.used > _USE_S:
            name = stored.head.name
            self._aside(lambda: self._folder.use(name, now))
        stored.used = now

    # --- writing

    def may_save(self, size: int) -> bool:
        """Whether a state of so many bytes would be written; 0 where that is not known."""
        most = min(_WAITING_BYTES, self.shelf.max_bytes)
        return self._waiting_bytes + size <= most and self.shelf.may_write(size)

    def save(self, head: Head, state: bytes | bytearray, instead: Sequence[str] = ()) -> None:
        """Have it written in place of those names, unless that is too much."""
        size = size_of(head, state)
        if not self.may_save(size) or head.name in (one.name for one in self._writing):
            return
        self.shelf.wrote(size)
        gone = [*instead, *self.shelf.too_much(self._waiting_bytes + size)]
        self.shelf.drop(gone)
        self._writing.append(head)
        self._waiting_bytes += size

        def job() -> Then:
            try:
                for name in gone:
                    self._folder.delete(name)
                written = self._folder.write(head, state)
                byte_s = None if self.fetcher.measured else self._measured(head)
            except OSError as error:
                fault = error
                return lambda: self._not_written(head, size, fault)
            return lambda: self._have_written(head, size, written, byte_s)

        self._writer.do(job)

    def _have_written(self, head: Head, size: int, written: int, byte_s: float | None) -> None:
        self._learn(byte_s)
        forgotten = self._over(head, size)
        if not self.stored:
            log.info("beginnings of prompts are kept again")
        self.stored = True
        if not forgotten:
            self.shelf.put(Stored.of(Whole(head, written, self.wall())))

    def _not_written(self, head: Head, size: int, error: OSError) -> None:
        self._over(head, size)
        if self.stored:
            log.warning("beginnings of prompts cannot be kept: %s", error)
        self.stored = False

    def _over(self, head: Head, size: int) -> bool:
        """It is written, or cannot be; whether it was forgotten meanwhile."""
        self._writing.remove(head)
        self._waiting_bytes -= size
        forgotten = head in self._forgotten
        if forgotten:
            self._forgotten.remove(head)
        return forgotten

    # --- deleting

    def forget(self, which: Which, then: Callable[[int], None]) -> None:
        """Forget `which` there are; `then` is told how many were deleted, once they are.

        That waits until it is known what there is.
        """
        if not self._scanned:
            self._to_forget.append(lambda: self.forget(which, then))
            return
        now = self.wall()
        coming = [head for head in self._writing if which.fits(head, now)]
        self._forgotten += [head for head in coming if head not in self._forgotten]
        names = [*self.shelf.chosen(which), *(head.name for head in coming)]
        self.delete(names, then)

    def delete(self, names: Sequence[str], then: Callable[[int], None] = lambda _: None) -> None:
        """Delete those names, once what is being written is; `then` is told how many were."""
        self.shelf.drop(names)

        def job() -> Then:
            deleted = sum(map(self._deleted, dict.fromkeys(names)))
            return lambda: then(deleted)

        self._writer.do(job)

    def _deleted(self, name: str) -> bool:
        try:
            return self._folder.delete(name)
        except OSError as error:
            log.warning("the beginning of a prompt cannot be deleted: %s", error)
            return False

    def _aside(self, work: Callable[[], object]) -> None:
        def job() -> Then:
            work()
            return lambda: None

        self._writer.do(job)

    def _scan(self) -> Then:
        try:
            found = self._folder.scan()
        except OSError as error:
            log.warning("no beginnings of prompts are kept: %s", error)
            found = []
        return lambda: self._have_scanned(found)

    def _have_scanned(self, found: list[Whole]) -> None:
        for whole in found:
            self.shelf.put(Stored.of(whole))
        self._scanned = True
        for forget in self._to_forget:
            forget()
        self._to_forget.clear()
        if gone := self.shelf.too_much():
            self.delete(gone)
        if found:
            self._writer.do(lambda: self._measure(max(found, key=lambda whole: whole.used)))

    def _measure(self, whole: Whole) -> Then:
        byte_s = self._measured(whole.head)
        return lambda: self._learn(byte_s)

    def _measured(self, head: Head) -> float | None:
        """Seconds that a byte of a file takes to come from the disk; see PrefixFolder."""
        return self._folder.byte_s(head.name, self._clock)

    def _learn(self, byte_s: float | None) -> None:
        if byte_s is not None:
            self.fetcher.learn(byte_s)
