"""How many connections there may be, of all clients and of one, and how often they may come."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from enum import Enum

from edge_rt.api.middleware.rate import Rates

MORE = 64  # connections that are told that there are too many, beyond those that are served
RESERVED = 48  # open files for all but connections: models, sensors, engine, databases
_PROGRAMS = 1024  # whose rates are remembered, those that connected last
_CLIENTS = 256


class Door(Enum):
    """What becomes of a new connection."""

    OPEN = 1
    FULL = 2  # it is told so, by the app
    SHUT = 3  # it is told so and closed at once: so many were told already
    OFTEN = 4  # likewise: its client opens too many a second


class ConnectionLimiter:
    """Counts connections. No client, told apart by `who` it is, has more than half of them.

    The connections that a client, or one of its processes, opens per second are limited as well:
    opening one takes as long as a small request.
    """

    def __init__(
        self,
        most: int,
        files: int = 2**31,
        clock: Callable[[], float] = time.monotonic,
        *,
        per_program_s: float = 250.0,
        per_client_s: float = 500.0,
    ) -> None:
        """So many connections at once, or fewer where so many files may be open.

        Twice as many as may be opened in a second may be opened at once. `clock` is in seconds.
        """
        spare = max(4, files - RESERVED)
        self._more = min(MORE, spare // 4)
        self.most = max(2, min(most, spare - self._more))
        self._inside: Counter[object] = Counter()
        self._programs = Rates(2 * per_program_s, per_program_s, clock, _PROGRAMS)
        self._clients = Rates(2 * per_client_s, per_client_s, clock, _CLIENTS)

    @property
    def inside(self) -> int:
        """Connections of all clients."""
        return self._inside.total()

    def enter(self, who: object, program: object = None) -> Door:
        """Let in a connection of `who`; after OPEN or FULL it must leave again.

        `program` is the process of `who` that opens it; None: not known.
        """
        if program is not None and not self._programs.of((who, program)).allows():
            return Door.OFTEN
        if not self._clients.of(who).allows():
            return Door.OFTEN
        beyond = max(self.inside - self.most, self._inside[who] - self.most // 2)
        if beyond >= self._more:
            return Door.SHUT
        self._inside[who] += 1
        return Door.FULL if beyond >= 0 else Door.OPEN

    def leave(self, who: object) -> None:
        """A connection of `who` is gone."""
        self._inside[who] -= 1
        if not self._inside[who]:
            del self._inside[who]
