"""How many threads the engine may use, given what others leave free.

Two threads that wait for each other at every layer are slower than one when a third process
wants one of two cores, since each pass lasts as long as its unluckiest thread. So a core that
others use is left to them.
"""

from __future__ import annotations

DOWN_AT = 0.6  # cores that others must use, beyond whole ones, to take one more away
UP_AT = 0.4  # and below which it is given back
DOWN_AFTER = 2  # readings in a row
UP_AFTER = 3
_READING_S = 0.35  # over which others' cores are taken together


class ThreadChooser:
    """Turns readings of the cores that others use into a thread count, with hysteresis."""

    def __init__(self, cores: int) -> None:
        """`cores` is the most threads that may be used."""
        self.threads = cores
        self._cores = cores
        self._fewer: list[int] = []  # what readings in a row asked for, fewer than there are
        self._more: list[int] = []

    def update(self, others: float) -> int:
        """The threads to use after `others` cores were seen in other hands."""
        fewer = self._cores - int(others + 1 - DOWN_AT)
        more = self._cores - int(others + 1 - UP_AT)
        self._fewer = [*self._fewer, fewer] if fewer < self.threads else []
        self._more = [*self._more, more] if more > self.threads else []
        if len(self._fewer) >= DOWN_AFTER:
            self._settle(max(self._fewer))  # what all of them asked for
        elif len(self._more) >= UP_AFTER:
            self._settle(min(self._more))
        return self.threads

    def _settle(self, threads: int) -> None:
        self.threads = max(1, min(self._cores, threads))
        self._fewer, self._more = [], []


class Contention:
    """A ThreadChooser that is told often, and reads about twice a second."""

    def __init__(self, cores: int) -> None:
        """`cores` is the most threads that may be used."""
        self._chooser = ThreadChooser(cores)
        self._core_s = self._seconds = 0.0

    @property
    def threads(self) -> int:
        """The most that others leave room for."""
        return self._chooser.threads

    def look(self, dt_s: float, others: float | None) -> None:
        """Others used that many cores in the last `dt_s`; None: nobody knows."""
        if others is None:
            return
        self._core_s += dt_s * others
        self._seconds += dt_s
        if self._seconds >= _READING_S:
            self._chooser.update(self._core_s / self._seconds)
            self._core_s = self._seconds = 0.0
