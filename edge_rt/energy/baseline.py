"""What the board draws while the engine does nothing."""

from __future__ import annotations

import math

_ENOUGH_S = 0.05  # of idle time beat any figure from elsewhere


class Baseline:
    """A mean over idle time in which older time fades, so that it follows other programs' draw."""

    def __init__(self, initial_w: float | None = None, memory_s: float = 3.0) -> None:
        """`initial_w` stands until there was some idle time; None: unknown until then."""
        self._initial_w = initial_w
        self._memory_s = memory_s
        self._sum_w = self._weight = self._seen_s = 0.0

    @property
    def idle_w(self) -> float | None:
        """Watts, never below 0; None while unknown."""
        if self._seen_s < _ENOUGH_S:
            return self._initial_w
        # Divided by the weights so far, so that the start does not pull it towards 0.
        return max(0.0, self._sum_w / self._weight)

    def learn(self, energy_j: float, covered_s: float) -> None:
        """Take what an idle window drew; one of no covered time teaches nothing."""
        if covered_s <= 0:
            return
        keep = math.exp(-covered_s / self._memory_s)
        self._sum_w = keep * self._sum_w + (1.0 - keep) * energy_j / covered_s
        self._weight = keep * self._weight + (1.0 - keep)
        self._seen_s += covered_s
