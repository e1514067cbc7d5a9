"""An energy counter that wraps around, made into joules that only grow and watts."""

from __future__ import annotations

POWER_HIGH_W = 2000.0  # no package draws more: a faster counter was reset, not used


class EnergyCounter:
    """Counts from its first reading on; a counter that was reset starts again at 0 J.

    A step back is a wrap-around if the power it would mean can be; else the counter was reset
    (a driver loaded again, a suspend) and the window's energy is unknown.
    """

    __slots__ = ("_range_uj", "_raw", "_time_s", "energy_j", "high_w", "power_w", "refused")

    def __init__(self, range_uj: int | None, high_w: float = POWER_HIGH_W) -> None:
        """`range_uj` is where the counter wraps, None where that is not known; nothing that it
        counts draws more than `high_w`.
        """
        self.refused: str | None = None  # why the last window's energy is not known
        self.high_w = high_w
        self.energy_j = 0.0
        self.power_w: float | None = None  # over the last window; None where it is unknown
        self._range_uj = range_uj
        self._raw: int | None = None
        self._time_s = 0.0

    def advance(self, raw_uj: int, time_s: float) -> None:
        """Take a reading of the counter."""
        before, self._raw = self._raw, raw_uj
        elapsed, self._time_s = time_s - self._time_s, time_s
        self.power_w = self.refused = None
        if before is None:
            return
        joules = self._difference(before, raw_uj) * 1e-6
        if joules < 0 or joules > self.high_w * max(elapsed, 0.0):
            self.energy_j = 0.0
            self.refused = f"the counter moved by {joules:.4g} J in {elapsed:.3g} s"
            return
        self.energy_j += joules
        if elapsed > 0:
            self.power_w = joules / elapsed

    def _difference(self, before: int, now: int) -> int:
        difference = now - before
        return difference + self._range_uj if difference < 0 and self._range_uj else difference
