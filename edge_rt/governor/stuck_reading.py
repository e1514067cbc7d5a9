"""Readings of power that stay the same while the load moves."""

from __future__ import annotations

from dataclasses import replace

from edge_rt.core.limits import Observation

_MOVED = 0.125  # share of all cores, or of the GPU, by which the load must have moved
_LONG_S = 2.0  # for which a value has been repeated, from which on half of that is enough
_LATE = 1.5  # times the usual time for which a value is repeated, from which on it is old
_GAIN = 0.3  # of the mean of that time
_GUESS_S, _MOST_S = 1.0, 3.0  # that time before it is known, and the longest
_FROZEN_S = 3.0  # of old readings, from which on a sensor is frozen

_Load = tuple[float, float]  # shares of the cores and of the GPU at work, times their clocks


class StuckReading:
    """Tells which readings of power do not follow the load.

    A value that is read again is old if the load has moved since that value came, and if the sensor
    usually has a new one by then. Without such a move it may be right: chips measure in steps.
    """

    def __init__(self, cores: int) -> None:
        self.frozen_w: float | None = None  # the value at which the sensor is frozen; None: none
        self._cores = cores
        self._power_w: float | None = None
        self._repeated_s = self._old_s = 0.0  # since the value came
        self._usual_s = _GUESS_S  # for which values are repeated
        self._low: _Load = 0.0, 0.0  # least and greatest load since the value came
        self._high: _Load = 0.0, 0.0
        self._top_hz: _Load = 0.0, 0.0

    def believed(self, seen: Observation) -> Observation:
        """Return `seen`, without its `power_w` if that is an old one."""
        if seen.power_w is None:
            return seen
        if seen.dt_s > 0.0:
            self._look(seen, seen.power_w)
        return replace(seen, power_w=None) if self._old_s else seen

    def _look(self, seen: Observation, power_w: float) -> None:
        load = self._load(seen)
        self._low = min(self._low[0], load[0]), min(self._low[1], load[1])
        self._high = max(self._high[0], load[0]), max(self._high[1], load[1])
        moved_by = max(high - low for low, high in zip(self._low, self._high, strict=True))
        moved = moved_by > (_MOVED if self._repeated_s < _LONG_S else 0.5 * _MOVED)
        if power_w != self._power_w:
            if self._power_w is not None:
                self._learn(min(self._repeated_s, _MOST_S), moved)
            self._power_w, self._low, self._high = power_w, load, load
            self._repeated_s, self._old_s, self.frozen_w = 0.0, 0.0, None
            return
        self._repeated_s += seen.dt_s
        if moved and self._repeated_s > _LATE * self._usual_s + seen.dt_s:
            self._old_s += seen.dt_s
        if self._old_s > _FROZEN_S:
            self.frozen_w = power_w

    def _learn(self, repeated_s: float, moved: bool) -> None:
        """Take how long a value was repeated; without a move of the load it may have been right."""
        if moved or repeated_s < self._usual_s:
            self._usual_s += (_GAIN if moved else 1.0) * (repeated_s - self._usual_s)

    def _load(self, seen: Observation) -> _Load:
        own_s = seen.busy_s * seen.threads if seen.cpu_s is None else seen.cpu_s
        cores = (own_s / seen.dt_s + (seen.others or 0.0)) / self._cores
        gpu = (seen.gpu_s or 0.0) / seen.dt_s if seen.gpu_load is None else seen.gpu_load
        clocks_hz = seen.cpu_hz or 0.0, seen.gpu_hz or 0.0
        self._top_hz = max(self._top_hz[0], clocks_hz[0]), max(self._top_hz[1], clocks_hz[1])
        cpu_clock, gpu_clock = (
            hz / top_hz if hz else 1.0 for hz, top_hz in zip(clocks_hz, self._top_hz, strict=True)
        )
        return min(1.0, cores) * cpu_clock, min(1.0, gpu) * gpu_clock
