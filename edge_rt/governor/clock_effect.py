"""Limits of clocks that are accepted and have no effect."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from edge_rt.core.limits import ClockSteps, Observation

_SETTLE_S = 1.0  # after which a limit holds, and a reading of the clock shows it
_ABOVE = 1.1  # times its limit, from which on a clock is above it
_LASTS_S = 1.0  # seconds above a limit that show that it has no effect
_BELOW = 0.25  # share of the seconds below it that is taken off: a look may fall into a rest


class ClockEffect:
    """Compares the clocks of cores at work with their limits, to find limits without an effect.

    Firmware or another governor may set a clock whatever its file says. Its limit is not used any
    more from then on, until the clock is taken from the choice and comes back.
    """

    def __init__(self) -> None:
        self._cpu, self._gpu = _Clock(), _Clock()

    @property
    def ineffective(self) -> tuple[bool, bool]:
        """Whether the limit of the CPU's clock and that of the GPU's have no effect."""
        return self._cpu.ineffective, self._gpu.ineffective

    def left(self, steps: ClockSteps, seen: Observation) -> ClockSteps:
        """Take a look; return the clocks of `steps` whose limits have an effect."""
        self._cpu.look(seen, steps.cpu_hz, seen.cpu_hz, seen.real_cpu_hz)
        self._gpu.look(seen, steps.gpu_hz, seen.gpu_hz, seen.real_gpu_hz)
        if self._cpu.ineffective:
            steps = replace(steps, cpu_hz=())
        return replace(steps, gpu_hz=()) if self._gpu.ineffective else steps


class _Clock:
    def __init__(self) -> None:
        self.ineffective = False
        self._limits: deque[tuple[float, float]] = deque()  # seconds, Hz; those in force of late
        self._above_s = 0.0

    def look(
        self,
        seen: Observation,
        steps_hz: tuple[float, ...],
        limit_hz: float | None,
        real_hz: float | None,
    ) -> None:
        if not steps_hz:
            self.ineffective, self._above_s = False, 0.0
        if not steps_hz or limit_hz is None:
            self._limits.clear()
            return
        limits, settled_s = self._limits, seen.time_s - _SETTLE_S
        limits.append((seen.time_s, limit_hz))
        while len(limits) > 1 and limits[1][0] <= settled_s:
            limits.popleft()
        most_hz = max(hz for _, hz in limits)
        if real_hz is None or limits[0][0] > settled_s or most_hz >= steps_hz[-1]:
            return
        above = real_hz > _ABOVE * most_hz
        self._above_s = max(0.0, self._above_s + seen.dt_s * (1.0 if above else -_BELOW))
        self.ineffective = self.ineffective or self._above_s >= _LASTS_S
