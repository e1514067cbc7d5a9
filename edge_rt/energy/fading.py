"""Mean watts that follow what they are the mean of."""

from __future__ import annotations

import math


class FadingMean:
    """Joules over seconds, of which the older ones fade."""

    def __init__(self, memory_s: float, enough_s: float) -> None:
        """Seconds fade to a third every `memory_s`; `enough_s` make a mean."""
        self._memory_s, self._enough_s = memory_s, enough_s
        self._sum_w = self._weight = self._seen_s = 0.0

    @property
    def power_w(self) -> float | None:
        """Watts; None while not enough is known."""
        # Divided by the weights so far, so that the start does not pull it towards 0.
        return None if self._seen_s < self._enough_s else self._sum_w / self._weight

    def learn(self, energy_j: float, seconds: float) -> None:
        """Take joules over some time; no time teaches nothing."""
        if seconds <= 0:
            return
        keep = math.exp(-seconds / self._memory_s)
        self._sum_w = keep * self._sum_w + (1.0 - keep) * energy_j / seconds
        self._weight = keep * self._weight + (1.0 - keep)
        self._seen_s += seconds
