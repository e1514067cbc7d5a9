"""The answers that were used last, in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from edge_rt.core.cached import Kept


class Recent:
    """At most `max_bytes` of answers; whichever was not used for longest goes first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()

    def __contains__(self, kept: Kept) -> bool:
        return self._kept.get(kept.key) is kept

    def get(self, key: bytes) -> Kept | None:
        """The answer of that key, used now."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def put(self, kept: Kept) -> None:
        """Take an answer, in place of any of its key; one that is too large goes at once."""
        self._forget(kept.key)
        self._kept[kept.key] = kept
        self._bytes += kept.size
        while self._bytes > self._max_bytes:
            self._forget(next(iter(self._kept)))

    def drop(self, goes: Callable[[Kept], bool]) -> None:
        """Forget those of which `goes` is true."""
        for kept in [kept for kept in self._kept.values() if goes(kept)]:
            self._forget(kept.key)

    def _forget(self, key: bytes) -> None:
        kept = self._kept.pop(key, None)
        self._bytes -= 0 if kept is None else kept.size
