"""What the board draws while the engine has nothing to do, learnt in this one place."""

from __future__ import annotations

import math

ENOUGH_S = 0.05  # of idle time beat any figure from elsewhere
MEMORY_S = 3.0  # time constant of the mean
LOWEST_S = 600.0  # time constant, in idle seconds, with which the lowest idle draw is forgotten
WORKING_S = 1.0  # of work, over which the draw is averaged


class FadingMean:
    """Joules over seconds, of which the older ones fade."""

    def __init__(self, memory_s: float, enough_s: float) -> None:
        """Let seconds fade to a third every `memory_s`; `enough_s` make a mean."""
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


class IdlePower:
    """The mean power of idle time, in which older time fades: it follows other programs' draw.

    Where the board draws less at work than that mean, other programs have stopped since: then the
    lowest mean of the past minutes counts.
    """

    def __init__(self, initial_w: float | None = None) -> None:
        """`initial_w` stands until there was some idle time; None: unknown until then."""
        self._initial_w = initial_w
        self.forget()

    def forget(self) -> None:
        """Begin again, with another meter."""
        self._mean = FadingMean(MEMORY_S, ENOUGH_S)
        self._working = FadingMean(WORKING_S, WORKING_S)
        self._lowest_w = math.inf

    @property
    def idle_w(self) -> float | None:
        """Watts, never below 0; None while unknown."""
        power_w, working_w = self._mean.power_w, self._working.power_w
        if power_w is None:
            return self._initial_w
        stopped = working_w is not None and working_w < power_w
        return max(0.0, self._lowest_w if stopped else power_w)

    def learn(self, energy_j: float, covered_s: float) -> None:
        """Take what an idle time drew; one of no covered time teaches nothing."""
        self._mean.learn(energy_j, covered_s)
        self._working = FadingMean(WORKING_S, WORKING_S)
        if (power_w := self._mean.power_w) is not None:
            kept = math.exp(-covered_s / LOWEST_S)
            rising_w = power_w if math.isinf(self._lowest_w) else self._lowest_w
            self._lowest_w = min(power_w, kept * rising_w + (1.0 - kept) * power_w)

    def work(self, energy_j: float, covered_s: float) -> None:
        """Take what a time drew in which the engine was at work."""
        self._working.learn(energy_j, covered_s)
