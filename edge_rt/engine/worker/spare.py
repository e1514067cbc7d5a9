"""Time for what is done beside the work."""

from __future__ import annotations

SHARE = 1 / 200
READING_SHARE = 1 / 50  # of the time in which only prompts are read, and no stream waits
BURST_S = 0.1


class Spare:
    """A `SHARE` of the time, of which BURST_S at most are saved up; all that at first.

    Of the time in which only prompts are read it is READING_SHARE.
    """

    def __init__(self) -> None:
        self._left_s = BURST_S
        self._seen_s: float | None = None

    def left(self, now: float) -> bool:
        """Whether there is any; `now` is the clock's reading in seconds."""
        if self._seen_s is not None:
            self._left_s = min(BURST_S, self._left_s + (now - self._seen_s) * SHARE)
        self._seen_s = now
        return self._left_s > 0.0

    def read(self, seconds: float) -> None:
        """Add the larger share of `seconds` in which only prompts were read."""
        more_s = seconds * (READING_SHARE - SHARE)
        self._left_s = min(BURST_S, self._left_s + more_s)

    def spend(self, seconds: float) -> None:
        """So much went into it."""
        self._left_s -= seconds
