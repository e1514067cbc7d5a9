"""How long the engine's threads really computed."""

from __future__ import annotations

from edge_rt.governor.limits import Observation

_FADE = 0.98  # from look to look
_ENOUGH_S = 0.5  # of passes to tell how busy threads are within them
_LEAST = 0.5


class Usage:
    """Processor time against the passes' time: threads wait for memory and for each other."""

    def __init__(self) -> None:
        self._cpu_s = self._busy_s = 0.0

    def look(self, seen: Observation) -> float:
        """Seconds for which all threads computed, those of a pass under way included."""
        if seen.cpu_s is None:
            return min(seen.busy_s, seen.dt_s)
        computed_s = min(seen.cpu_s / seen.threads, seen.dt_s)
        self._cpu_s = _FADE * self._cpu_s + computed_s
        self._busy_s = _FADE * self._busy_s + seen.busy_s
        return computed_s

    @property
    def intensity(self) -> float:
        """How busy a thread is within a pass, as a share."""
        if self._busy_s <= _ENOUGH_S:
            return 1.0
        return min(1.0, max(_LEAST, self._cpu_s / self._busy_s))
