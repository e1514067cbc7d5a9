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


class ThreadChooser:
    """Turns readings of the cores that others use into a thread count, with hysteresis."""

    def __init__(self, cores: int) -> None:
        """`cores` is the most threads that may be used."""
        self.threads = cores
        self._cores = cores
        self._low = 0  # readings in a row that ask for fewer threads
        self._high = 0  # and for more

    def update(self, others: float) -> int:
        """The threads to use after `others` cores were seen in other hands."""
        fewer = self._cores - int(others + 1 - DOWN_AT)
        more = self._cores - int(others + 1 - UP_AT)
        self._low = self._low + 1 if fewer < self.threads else 0
        self._high = self._high + 1 if more > self.threads else 0
        if self._low >= DOWN_AFTER:
            self._settle(fewer)
        elif self._high >= UP_AFTER:
            self._settle(more)
        return self.threads

    def _settle(self, threads: int) -> None:
        self.threads = max(1, min(self._cores, threads))
        self._low = self._high = 0
