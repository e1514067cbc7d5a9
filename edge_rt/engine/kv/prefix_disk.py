"""Beginnings of prompts on the disk, read and written beside the decode loop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_rt.core.cached import Which
from edge_rt.core.clock import Aside
from edge_rt.core.logs import Trouble
from edge_rt.engine.kv.prefix_files import PrefixFolder, PrefixHeader, Stored, size_of
from edge_rt.engine.kv.prefix_shelf import PrefixFetcher, PrefixShelf, Then
from edge_rt.engine.protocol import KeepPrefixes

log = logging.getLogger(__name__)

_WAITING_BYTES = 64 << 20  # of states that wait to be written
_USE_S = 3600.0  # a use is noted on the disk no more often

Told = Callable[[int, int], None]
"""Hears how many were deleted, and how many of all that should have been could not be so far."""


class PrefixDisk:
    """What is kept of all models, and what is being read and written of it.

    Methods are for the decode loop's thread, which never waits for the disk; `settle` takes in the
    results. If the disk is full or fails, prompts are read again.
    """

    def __init__(self, keep: KeepPrefixes, wall: Callable[[], float] = time.time) -> None:
        """`wall` gives Unix seconds."""
        folder = PrefixFolder(Path(keep.folder))
        self.shelf = PrefixShelf(keep.max_bytes, keep.hourly_bytes, wall)
        self.fetcher = PrefixFetcher(folder, self.shelf)
        self.per_client = keep.per_client
        self.wall = wall
        self._trouble = Trouble(log, "beginnings of prompts cannot be kept")
        self._folder = folder
        self._writer = Aside[Then]("prefix writer")
        self._writing: list[PrefixHeader] = []
        self._waiting_bytes = 0
        self._forgotten: list[PrefixHeader] = []  # of those that are being written
        self._stuck: set[str] = set()  # those that could not be deleted; for the writer alone
        self._scanned = False
        self._to_forget: list[Then] = []  # once it is known what there is
        self._writer.do(self._scan)

    @property
    def stored(self) -> bool:
        """False while nothing can be written."""
        return self._trouble.told is None

    def filenos(self) -> tuple[int, int]:
        """Return the descriptors that become readable when there is something to settle."""
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

    def close(self) -> None:
        """Close the descriptors."""
        self.fetcher.aside.close()
        self._writer.close()

    def used(self, stored: Stored) -> None:
        """Note that a state was put into a sequence."""
        now = self.wall()
        if now - stored.used > _USE_S:
            name = stored.head.name
            self._aside(lambda: self._folder.use(name, now))
        stored.used = now

    # --- writing

    def may_save(self, size: int) -> bool:
        """Return whether a state of so many bytes would be written; 0 where that is not known."""
        most, waiting = min(_WAITING_BYTES, self.shelf.max_bytes), self._waiting_bytes
        return waiting + size <= most and self.shelf.may_write(size, waiting)

    def save(
        self, head: PrefixHeader, state: bytes | bytearray, instead: Sequence[str] = ()
    ) -> None:
        """Write a prefix in place of those in `instead`, unless that exceeds the limits."""
        size = size_of(head, state)
        if not self.may_save(size) or head.name in (one.name for one in self._writing):
            return
        gone = [*instead, *self.shelf.too_much(self._waiting_bytes + size)]
        self.shelf.drop(gone)
        self._writing.append(head)
        self._waiting_bytes += size

        def job() -> Then:
            try:
                for name in gone:
                    self._folder.delete(name)
                written = self._folder.write(head, state)
            except OSError as error:
                fault = error
                return lambda: self._not_written(head, size, fault)
            return lambda: self._have_written(head, size, written)

        self._writer.do(job)

    def _have_written(self, head: PrefixHeader, size: int, written: int) -> None:
        self.shelf.wrote(written)
        self._trouble.over()
        if not self._over(head, size):
            self.shelf.put(Stored(head, written, self.wall()))

    def _not_written(self, head: PrefixHeader, size: int, error: OSError) -> None:
        self._over(head, size)
        self._trouble.met(str(error))

    def _over(self, head: PrefixHeader, size: int) -> bool:
        """Note the end of a write; return whether the prefix was forgotten meanwhile."""
        self._writing.remove(head)
        self._waiting_bytes -= size
        forgotten = head in self._forgotten
        if forgotten:
            self._forgotten.remove(head)
        return forgotten

    # --- deleting

    def forget(self, which: Which, then: Told) -> None:
        """Forget `which`, once it is known what there is; `then` is told what was deleted."""
        if not self._scanned:
            self._to_forget.append(lambda: self.forget(which, then))
            return
        now = self.wall()
        coming = [head for head in self._writing if head.is_among(which, now)]
        self._forgotten += [head for head in coming if head not in self._forgotten]
        names = [*self.shelf.chosen(which), *(head.name for head in coming)]
        self.delete(names, then)

    def delete(self, names: Sequence[str], then: Told = lambda deleted, left: None) -> None:
        """Delete `names`, and those that could not be deleted before, after the present write."""
        self.shelf.drop(names)

        def job() -> Then:
            deleted = sum(map(self._deleted, dict.fromkeys([*self._stuck, *names])))
            left = len(self._stuck)
            return lambda: then(deleted, left)

        self._writer.do(job)

    def _deleted(self, name: str) -> bool:
        try:
            deleted = self._folder.delete(name)
        except OSError as error:
            if name not in self._stuck:
                log.warning("the beginning of a prompt cannot be deleted: %s", error)
            self._stuck.add(name)
            return False
        self._stuck.discard(name)
        return deleted

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

    def _have_scanned(self, found: list[Stored]) -> None:
        for whole in found:
            self.shelf.put(whole)
        self._scanned = True
        for forget in self._to_forget:
            forget()
        self._to_forget.clear()
        if gone := self.shelf.too_much():
            self.delete(gone)
