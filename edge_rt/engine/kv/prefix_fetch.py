"""Beginnings of prompts on their way from the disk."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from edge_rt.engine.kv.prefix_folder import PrefixFolder, State
from edge_rt.engine.kv.prefix_shelf import PrefixShelf, Stored
from edge_rt.engine.worker.aside import Aside

log = logging.getLogger(__name__)

GUESS_S = 1 / 40e6  # for a byte to come back, before that is measured: that of a slow SD card
_CALM = 0.3  # weight of a byte that came sooner than expected; a later one counts in full

Then = Callable[[], None]
"""What the decode loop is to do about what came of a job."""


class Fetch:
    """A state on its way: `over` once it is there, or known not to come."""

    def __init__(self, stored: Stored) -> None:
        self.stored = stored
        self.over = False
        self.waiting = 0  # seats
        self.state: bytearray | None = None
        self.read_s = 0.0


class PrefixFetcher:
    """Reads one state at a time, since each is large, and the next when that was taken."""

    def __init__(
        self, folder: PrefixFolder, shelf: PrefixShelf, clock: Callable[[], float]
    ) -> None:
        """`clock` is in seconds."""
        self.aside = Aside[Then]("prefix reader")
        self.byte_s: float = GUESS_S  # seconds that one takes from the disk into a sequence
        self.measured = False
        self._folder, self._shelf, self._clock = folder, shelf, clock
        self._fetches: deque[Fetch] = deque()  # the first is being read, or waits to be taken

    def fetch(self, stored: Stored) -> Fetch:
        """Have it read, for one seat more, which must `take` or `leave` it."""
        found = next((f for f in self._fetches if f.stored is stored), None)
        if found is None:
            found = Fetch(stored)
            self._fetches.append(found)
            if len(self._fetches) == 1:
                self._read(found)
        found.waiting += 1
        return found

    def take(self, fetch: Fetch) -> bytearray | None:
        """The state, for the first seat alone: the others find it in the sequence of that one."""
        state, fetch.state = fetch.state, None
        self._next(fetch)
        return state if fetch.stored in self._shelf else None

    def leave(self, fetch: Fetch) -> None:
        """One seat less waits for it."""
        fetch.waiting -= 1
        if fetch.waiting == 0 and fetch.over:
            fetch.state = None
            self._next(fetch)

    def took(self, fetch: Fetch, size: int, seconds: float) -> None:
        """A state of so many bytes was put into a sequence in so many seconds."""
        self.learn((fetch.read_s + seconds) / size)

    def learn(self, byte_s: float) -> None:
        """A byte took so long."""
        if self.measured:
            byte_s = max(byte_s, self.byte_s + _CALM * (byte_s - self.byte_s))
        self.byte_s, self.measured = byte_s, True

    def _read(self, fetch: Fetch) -> None:
        def job() -> Then:
            begin = self._clock()
            try:
                found = self._folder.read(fetch.stored.head.name)
            except OSError as error:
                log.warning("a beginning that was kept cannot be read: %s", error)
                found = None
            seconds = self._clock() - begin
            return lambda: self._have_read(fetch, found, seconds)

        self.aside.do(job)

    def _have_read(self, fetch: Fetch, found: State | None, seconds: float) -> None:
        fetch.over, fetch.read_s = True, seconds
        if found is None or found.head != fetch.stored.head:
            self._shelf.drop([fetch.stored.head.name])
        elif fetch.waiting:
            fetch.state = found.state
        if fetch.state is None:
            self._next(fetch)

    def _next(self, fetch: Fetch) -> None:
        """Read the next one, if it is `fetch` that was in its way."""
        if self._fetches and self._fetches[0] is fetch:
            self._fetches.popleft()
            while self._fetches and not self._fetches[0].waiting:
                self._fetches.popleft()
            if self._fetches:
                self._read(self._fetches[0])
