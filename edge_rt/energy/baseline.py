"""What the board draws while the engine does nothing."""

from __future__ import annotations

from edge_rt.energy.fading import FadingMean

_ENOUGH_S = 0.05  # of idle time beat any figure from elsewhere


class Baseline:
    """A mean over idle time in which older time fades, so that it follows other programs' draw."""

    def __init__(self, initial_w: float | None = None, memory_s: float = 3.0) -> None:
        """`initial_w` stands until there was some idle time; None: unknown until then."""
        self._initial_w = initial_w
        self._mean = FadingMean(memory_s, _ENOUGH_S)

    @property
    def idle_w(self) -> float | None:
        """Watts, never below 0; None while unknown."""
        power_w = self._mean.power_w
        return self._initial_w if power_w is None else max(0.0, power_w)

    def learn(self, energy_j: float, covered_s: float) -> None:
        """Take what an idle window drew; one of no covered time teaches nothing."""
        self._mean.learn(energy_j, covered_s)
