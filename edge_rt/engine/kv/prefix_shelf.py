"""Which beginnings are kept, which go, and how much is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from edge_rt.core.cached import Which
from edge_rt.engine.kv.prefix_file import Head, Tokens, Whole

UNUSED_S = 7 * 86_400.0  # after which a beginning goes, also where there is room
SHARE = 4  # of all bytes may one beginning have one part
_HOUR_S = 3600.0


class PrefixGroup(msgspec.Struct, frozen=True):
    """How many beginnings of one model there are for one client; times in Unix seconds."""

    model: str
    client: str
    prefixes: int
    tokens: int
    size_bytes: int
    oldest: float
    newest: float


@dataclass(eq=False)
class Stored:
    """A beginning in its file."""

    head: Head
    size: int  # bytes
    used: float  # Unix seconds
    tokens: Tokens

    @classmethod
    def of(cls, whole: Whole) -> Stored:
        """As it was found."""
        return cls(whole.head, whole.size, whole.used, whole.head.tokens)


class PrefixShelf:
    """At most `max_bytes`, of which those go first that were not used for longest, and at most
    `hourly_bytes` written an hour. It says what is to be deleted and deletes nothing.
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

    def all(self) -> list[Stored]:
        """All there are."""
        return list(self._stored.values())

    def of(self, key: bytes, client: str | None) -> list[Stored]:
        """Those of that key, None: whoever they were made for."""
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
        """Whether one of so many bytes may be written now, after `waiting` bytes that are to be."""
        now = self._clock()
        # A clock that was set back must not forbid all writing until it has caught up.
        while self._written and not 0 <= now - self._written[0][0] < _HOUR_S:
            self._written.popleft()
        spent = sum(written for _, written in self._written)
        return size <= self.max_bytes // SHARE and spent + waiting + size <= self._hourly_bytes

    def wrote(self, size: int) -> None:
        """So many bytes are written now."""
        self._written.append((self._clock(), size))

    def too_much(self, more: int = 0) -> list[str]:
        """The names of those that have to go, so that there is room for `more` bytes."""
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
        """The names of `which` there are."""
        now = self._clock()
        return [name for name, stored in self._stored.items() if which.fits(stored.head, now)]

    def groups(self) -> list[PrefixGroup]:
        """What there is, by model and client."""
        found: dict[tuple[str, str], list[Stored]] = {}
        for stored in self._stored.values():
            found.setdefault((stored.head.model, stored.head.client), []).append(stored)
        return [_group(*names, those) for names, those in sorted(found.items())]


def _group(model: str, client: str, stored: list[Stored]) -> PrefixGroup:
    made = [one.head.made for one in stored]
    tokens, size = sum(len(one.tokens) for one in stored), sum(one.size for one in stored)
    return PrefixGroup(model, client, len(stored), tokens, size, min(made), max(made))
