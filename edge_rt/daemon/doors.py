"""How many connections there may be, of all clients and of one."""

from __future__ import annotations

from collections import Counter
from enum import Enum

_MORE = 64  # connections that are told that there are too many, beyond those that are served


class Door(Enum):
    """What becomes of a new connection."""

    OPEN = 1
    FULL = 2  # it is told so
    SHUT = 3  # it is cut off: so many were told already


class Doors:
    """Counts connections. No client, told apart by `who` it is, has more than half of them."""

    def __init__(self, most: int) -> None:
        """So many connections at once."""
        self._most = most
        self._inside: Counter[object] = Counter()

    @property
    def inside(self) -> int:
        """Connections of all clients."""
        return self._inside.total()

    def enter(self, who: object) -> Door:
        """A connection of `who`, which is to leave again unless it is shut out."""
        beyond = max(self.inside - self._most, self._inside[who] - self._most // 2)
        if beyond >= _MORE:
            return Door.SHUT
        self._inside[who] += 1
        return Door.FULL if beyond >= 0 else Door.OPEN

    def leave(self, who: object) -> None:
        """A connection of `who` is gone."""
        self._inside[who] -= 1
        if not self._inside[who]:
            del self._inside[who]
