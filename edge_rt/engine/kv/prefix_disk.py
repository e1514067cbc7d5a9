"""Beginnings of prompts on the disk, read and written beside the decode loop."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from edge_rt.core.cached import PrefixGroup, Which
from edge_rt.core.clock import Aside
from edge_rt.core.logs import Trouble
from edge_rt.engine.kv.prefix_files import PrefixFolder, PrefixHeader, Stored, size_of
from edge_rt.engine.protocol import KeepPrefixes

log = logging.getLogger(__name__)

UNUSED_S = 7 * 86_400.0  # after which a beginning goes, also where there is room
SHARE = 4  # of all bytes may one beginning have one part
_HOUR_S = 3600.0
_AT_ONCE = 2  # states that were read
_WAITING_BYTES = 64 << 20  # of states that wait to be written
_USE_S = 3600.0  # a use is noted on the disk no more often

Told = Callable[[int, int], None]
"""Hears how many were deleted, and how many of all that should have been could not be so far."""

Then = Callable[[], None]
"""What the decode loop is to do about what came of a job."""


class Fetch:
    """A state on its way: `over` once it is there, or known not to come."""

    def __init__(self, stored: Stored) -> None:
        self.stored = stored
        self.over = False
        self.wanted = True
        self.state: bytearray | None = None


class PrefixDisk:
    """What is kept of all models, and what is being read and written of it.

    At most `max_bytes` are kept, of which the least recently used goes first, and `hourly_bytes`
    are written in an hour. Methods are for the decode loop's thread, which never waits for the
    disk; `settle` takes in the results. If the disk is full or fails, prompts are read again.
    """

    def __init__(self, keep: KeepPrefixes, wall: Callable[[], float] = time.time) -> None:
        """`wall` gives Unix seconds."""
        self.max_bytes, self._hourly_bytes = keep.max_bytes, keep.hourly_bytes
        self.per_client = keep.per_client
        self.wall = wall
        self._trouble = Trouble(log, "beginnings of prompts cannot be kept")
        self._folder = PrefixFolder(Path(keep.folder))
        self._reader, self._writer = Aside[Then]("prefix reader"), Aside[Then]("prefix writer")
        # States are large: those of one answer, of two models at most, wait in memory to be taken.
        self._room = threading.Semaphore(_AT_ONCE)
        self._stored: dict[str, Stored] = {}  # by name
        self._written: deque[tuple[float, int]] = deque()  # when, and how many bytes
        self._writing: list[PrefixHeader] = []
        self._waiting_bytes = 0
        self._forgotten: list[PrefixHeader] = []  # of those that are being written
        self._stuck: set[str] = set()  # those that could not be deleted; for the writer alone
        self._scanned = False
        self._to_forget: list[Then] = []  # once it is known what there is
        self._writer.do(self._scan)

    @property
    def writable(self) -> bool:
        """False while nothing can be written."""
        return self._trouble.told is None

    def filenos(self) -> tuple[int, int]:
        """Return the descriptors that become readable when there is something to settle."""
        return self._reader.fileno(), self._writer.fileno()

    def settle(self) -> None:
        """Take in what came of reading and writing."""
        for aside in (self._reader, self._writer):
            for then in aside.finished():
                then()

    def finish(self, seconds: float) -> None:
        """Wait for what is being written, no longer than that."""
        written = threading.Event()
        self._aside(written.set)
        written.wait(seconds)

    def close(self) -> None:
        """Close the descriptors."""
        self._reader.close()
        self._writer.close()

    def of(self, key: bytes, client: str) -> list[Stored]:
        """Return what is kept under `key` for `client`, or for any where clients share."""
        found = (s for s in self._stored.values() if s.head.key == key)
        return [s for s in found if not self.per_client or client == s.head.client]

    def groups(self) -> list[PrefixGroup]:
        """Return what there is, by model and client."""
        found: dict[tuple[str, str], list[Stored]] = {}
        for stored in self._stored.values():
            found.setdefault((stored.head.model, stored.head.client), []).append(stored)
        return [_group(*names, those) for names, those in sorted(found.items())]

    # --- reading

    def fetch(self, stored: Stored) -> Fetch:
        """Read a state, which must be taken or left."""
        fetch = Fetch(stored)

        def job() -> Then:
            self._room.acquire()
            found = None
            try:
                found = self._folder.read(stored.head.name) if fetch.wanted else None
            except OSError as error:
                log.warning("a beginning that was kept cannot be read: %s", error)
            return lambda: self._have_read(fetch, found)

        self._reader.do(job)
        return fetch

    def take(self, fetch: Fetch) -> bytearray | None:
        """Return a state that was fetched; None where there is none, or it was forgotten."""
        state = fetch.state
        self.leave(fetch)
        return state if self._stored.get(fetch.stored.head.name) is fetch.stored else None

    def leave(self, fetch: Fetch) -> None:
        """Stop waiting for a state."""
        fetch.wanted = False
        if fetch.state is not None:
            fetch.state = None
            self._room.release()

    def used(self, stored: Stored) -> None:
        """Note that a state was put into a sequence."""
        now = self.wall()
        if now - stored.used > _USE_S:
            self._aside(lambda: self._folder.use(stored.head.name, now))
        stored.used = now

    def _have_read(self, fetch: Fetch, found: tuple[PrefixHeader, bytearray] | None) -> None:
        fetch.over = True
        if fetch.wanted and found is not None and found[0] == fetch.stored.head:
            fetch.state = found[1]
            return
        self._room.release()
        if fetch.wanted:
            self._stored.pop(fetch.stored.head.name, None)

    # --- writing

    def may_save(self, size: int) -> bool:
        """Return whether a state of so many bytes would be written; 0 where that is not known."""
        now, waiting = self.wall(), self._waiting_bytes
        # A clock that was set back must not forbid all writing until it has caught up.
        while self._written and not 0 <= now - self._written[0][0] < _HOUR_S:
            self._written.popleft()
        spent = sum(written for _, written in self._written)
        return (
            size <= self.max_bytes // SHARE
            and waiting + size <= min(_WAITING_BYTES, self.max_bytes)
            and spent + waiting + size <= self._hourly_bytes
        )

    def save(
        self, head: PrefixHeader, state: bytes | bytearray, instead: Sequence[str] = ()
    ) -> None:
        """Write a prefix in place of those in `instead`, unless that exceeds the limits."""
        size = size_of(head, state)
        if not self.may_save(size) or head.name in (one.name for one in self._writing):
            return
        gone = [*instead, *self._too_much(self._waiting_bytes + size)]
        self._drop(gone)
        self._writing.append(head)
        self._waiting_bytes += size

        def job() -> Then:
            try:
                for name in gone:
                    self._folder.delete(name)
                self._folder.write(head, state)
            except OSError as error:
                failure = str(error)
                return lambda: self._wrote(head, size, failure)
            return lambda: self._wrote(head, size, None)

        self._writer.do(job)

    def _wrote(self, head: PrefixHeader, size: int, failure: str | None) -> None:
        self._writing.remove(head)
        self._waiting_bytes -= size
        forgotten = head in self._forgotten
        if forgotten:
            self._forgotten.remove(head)
        if failure is not None:
            self._trouble.met(failure)
            return
        self._trouble.over()
        self._written.append((self.wall(), size))
        if not forgotten:
            self._stored[head.name] = Stored(head, size, self.wall())

    def _too_much(self, more: int = 0) -> list[str]:
        """Return the names of those that have to go, so that there is room for `more` bytes."""
        now = self.wall()
        by_use = sorted(self._stored.values(), key=lambda stored: stored.used)
        over = sum(stored.size for stored in by_use) + more - self.max_bytes
        gone: list[str] = []
        for stored in by_use:
            if over > 0 or now - stored.used > UNUSED_S:
                gone.append(stored.head.name)
                over -= stored.size
        return gone

    # --- deleting

    def forget(self, which: Which, then: Told) -> None:
        """Forget `which`, once it is known what there is; `then` is told what was deleted."""
        if not self._scanned:
            self._to_forget.append(lambda: self.forget(which, then))
            return
        now = self.wall()
        coming = [head for head in self._writing if head.is_among(which, now)]
        self._forgotten += [head for head in coming if head not in self._forgotten]
        there = [stored.head for stored in self._stored.values()]
        kept = [head for head in there if head.is_among(which, now)]
        self.delete([head.name for head in (*kept, *coming)], then)

    def delete(self, names: Sequence[str], then: Told = lambda deleted, left: None) -> None:
        """Delete `names`, and those that could not be deleted before, after the present write."""
        self._drop(names)

        def job() -> Then:
            deleted = sum(map(self._deleted, dict.fromkeys([*self._stuck, *names])))
            left = len(self._stuck)
            return lambda: then(deleted, left)

        self._writer.do(job)

    def _drop(self, names: Sequence[str]) -> None:
        for name in names:
            self._stored.pop(name, None)

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
        self._stored |= {whole.head.name: whole for whole in found}
        self._scanned = True
        for forget in self._to_forget:
            forget()
        self._to_forget.clear()
        if gone := self._too_much():
            self.delete(gone)


def _group(model: str, client: str, stored: list[Stored]) -> PrefixGroup:
    made = [one.head.made for one in stored]
    tokens, size = sum(len(one.tokens) for one in stored), sum(one.size for one in stored)
    return PrefixGroup(model, client, len(stored), tokens, size, min(made), max(made))
