"""A board whose power is known at all times, and a meter on it."""

from __future__ import annotations

from edge_rt.board.integral import Energy, Integral
from edge_rt.energy.attribution import Attribution

IDLE_W = 3.0
ACTIVE_W = 8.0
PERIOD_S = 0.1


class Plant:
    """Draws IDLE_W, and ACTIVE_W during `work`; its meter is read ten times a second.

    `missing` are stretches of time in which no reading succeeds.
    """

    def __init__(
        self,
        work: list[tuple[float, float]],
        missing: list[tuple[float, float]] | None = None,
        gap_s: float = 0.3,
    ) -> None:
        self.work = work
        self.missing = missing or []
        self.meter = Integral(gap_s)
        self.now_s = 0.0

    def power_w(self) -> float | None:
        if any(begin <= self.now_s < end for begin, end in self.missing):
            return None
        busy = any(begin < self.now_s <= end for begin, end in self.work)
        return ACTIVE_W if busy else IDLE_W

    def read(self, attribution: Attribution) -> Energy:
        """Read the meter now."""
        self.meter.add(self.now_s, self.power_w())
        total = self.meter.total()
        attribution.reading(self.now_s, total)
        return total

    def until(self, time_s: float, attribution: Attribution) -> None:
        """Go on to `time_s`, reading at each beat on the way and at the end."""
        beat = int(self.now_s / PERIOD_S + 1e-9) + 1
        while beat * PERIOD_S < time_s - 1e-9:
            self.now_s = beat * PERIOD_S
            self.read(attribution)
            beat += 1
        self.now_s = time_s
        self.read(attribution)
