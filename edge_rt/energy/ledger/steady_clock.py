"""Whether the clock of the wall may be believed."""

from __future__ import annotations

from collections.abc import Callable

JUMP_S = 60.0
SETTLED_S = 3600.0


class SteadyClock:
    """The wall's time once nobody has set the clock for an hour.

    A board without a battery for its clock starts in 1970, or when its image was made, until the
    network tells it the time. Whether the clock was set shows in its distance to the monotonic
    clock, which changes by more than JUMP_S then.
    """

    def __init__(self, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._apart: float | None = None
        self._since = 0.0

    def settled(self) -> float | None:
        """Unix seconds; None in the first hour and for an hour after the clock was set."""
        now, ticks = self._clock(), self._monotonic()
        apart = now - ticks
        if self._apart is None or abs(apart - self._apart) > JUMP_S:
            self._since = ticks
        self._apart = apart
        return now if ticks - self._since >= SETTLED_S else None
