"""Which prefixes of prompts are kept on the disk, which go, and which are being read."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from edge_rt.core.cached import PrefixGroup, Which
from edge_rt.core.clock import Aside
from edge_rt.engine.kv.prefix_files import PrefixFolder, PrefixHeader, Stored

UNUSED_S = 7 * 86_400.0  # after which a beginning goes, also where there is room
SHARE = 4  # of all bytes may one beginning have one part
_HOUR_S = 3600.0
log = logging.getLogger(__name__)


class PrefixShelf:
    """What is on disk, at most `max_bytes`; at most `hourly_bytes` are written in an hour.

    The least recently used goes first. It says what is to be deleted and deletes nothing.
    """

    def __init__(self, max_bytes: int, hourly_bytes: int, clock: Callable[[], float]) -> None:
        """`clock` gives Unix seconds."""
        self.max_bytes = max_bytes
        self._hourly_bytes = hourly_bytes
        self._clock = clock
        self._stored: dict[str, Stored] = {}
        self._written: deque[tuple[float, int]] = deque()

    def __contains__(self, stored: Stored) -> bool:
        return self._stored.get(stored.head.name) is stored

    def of(self, key: bytes, client: str | None) -> list[Stored]:
        """Return what is kept under `key` for `client`; None: for any client."""
        found = (s for s in self._stored.values() if s.head.key == key)
        return [s for s in found if client in (None, s.head.client)]

    def put(self, stored: Stored) -> None:
        """Take one, in place of any of its name."""
        self._stored[stored.head.name] = stored

    def drop(self, names: Iterable[str]) -> None:
        """Forget those of these names."""
        for name in names:
            self._stored.pop(name, None)

    def may_write(self, size: int, waiting: int = 0) -> bool:
        """Return whether `size` bytes may be written now, behind `waiting` others."""
        now = self._clock()
        # A clock that was set back must not forbid all writing until it has caught up.
        while self._written and not 0 <= now - self._written[0][0] < _HOUR_S:
            self._written.popleft()
        spent = sum(written for _, written in self._written)
        return size <= self.max_bytes // SHARE and spent + waiting + size <= self._hourly_bytes

    def wrote(self, size: int) -> None:
        """Count `size` bytes that are written now."""
        self._written.append((self._clock(), size))

    def too_much(self, more: int = 0) -> list[str]:
        """Return the names of those that have to go, so that there is room for `more` bytes."""
        now = self._clock()
        by_use = sorted(self._stored.values(), key=lambda stored: stored.used)
        over = sum(stored.size for stored in by_use) + more - self.max_bytes
        gone: list[str] = []
        for stored in by_use:
            if over > 0 or now - stored.used > UNUSED_S:
                gone.append(stored.head.name)
                over -= stored.size
        return gone

    def chosen(self, which: Which) -> list[str]:
        """Return the names of `which` there are."""
        now = self._clock()
        return [name for name, stored in self._stored.items() if stored.head.is_among(which, now)]

    def groups(self) -> list[PrefixGroup]:
        """Return what there is, by model and client."""
        found: dict[tuple[str, str], list[Stored]] = {}
        for stored in self._stored.values():
            found.setdefault((stored.head.model, stored.head.client), []).append(stored)
        return [_group(*names, those) for names, those in sorted(found.items())]


def _group(model: str, client: str, stored: list[Stored]) -> PrefixGroup:
    made = [one.head.made for one in stored]
    tokens, size = sum(len(one.tokens) for one in stored), sum(one.size for one in stored)
    return PrefixGroup(model, client, len(stored), tokens, size, min(made), max(made))


Then = Callable[[], None]
"""What the decode loop is to do about what came of a job."""


class Fetch:
    """A state on its way: `over` once it is there, or known not to come."""

    def __init__(self, stored: Stored) -> None:
        self.stored = stored
        self.over = False
        self.waiting = 0  # readers
        self.state: bytearray | None = None


class PrefixFetcher:
    """Reads one state at a time, since each is large, and the next when that was taken."""

    def __init__(self, folder: PrefixFolder, shelf: PrefixShelf) -> None:
        self.aside = Aside[Then]("prefix reader")
        self._folder, self._shelf = folder, shelf
        self._fetches: deque[Fetch] = deque()  # the first is being read, or waits to be taken

    def fetch(self, stored: Stored) -> Fetch:
        """Read `stored` for one more reader, which must `take` or `leave` it."""
        found = next((f for f in self._fetches if f.stored is stored), None)
        if found is None:
            found = Fetch(stored)
            self._fetches.append(found)
            if len(self._fetches) == 1:
                self._read(found)
        found.waiting += 1
        return found

    def take(self, fetch: Fetch) -> bytearray | None:
        """Return the state to the first that takes it: the others copy from its KV sequence."""
        state, fetch.state = fetch.state, None
        self._next(fetch)
        return state if fetch.stored in self._shelf else None

    def leave(self, fetch: Fetch) -> None:
        """Stop waiting for it, as one reader of perhaps several."""
        fetch.waiting -= 1
        if fetch.waiting == 0 and fetch.over:
            fetch.state = None
            self._next(fetch)

    def _read(self, fetch: Fetch) -> None:
        def job() -> Then:
            try:
                found = self._folder.read(fetch.stored.head.name)
            except OSError as error:
                log.warning("a beginning that was kept cannot be read: %s", error)
                found = None
            return lambda: self._have_read(fetch, found)

        self.aside.do(job)

    def _have_read(self, fetch: Fetch, found: tuple[PrefixHeader, bytearray] | None) -> None:
        fetch.over = True
        if found is None or found[0] != fetch.stored.head:
            self._shelf.drop([fetch.stored.head.name])
        elif fetch.waiting:
            fetch.state = found[1]
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


def common_prefix(a: Sequence[object], b: Sequence[object]) -> int:
    """Return how many leading items `a` and `b` share, by bisection over slice equality."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
