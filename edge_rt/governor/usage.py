"""How long the engine's threads really computed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_rt.governor.limits import Observation

_FADE = 0.98  # from look to look
_ENOUGH_S = 2.0  # of passes to tell how busy threads are within them: the first ones page in
_LEAST = 0.5
_OVER = 0.15  # of a thread more than there are: the pass under way has its threads from before
_EXACT = 0.01  # of a thread, by which sums of seconds may be off


@dataclass(frozen=True)
class Used:
    """Threads that computed, and for how many seconds all of them did."""

    threads: int
    busy_s: float


class Usage:
    """Processor time against the passes' time: threads wait for memory and for each other."""

    def __init__(self) -> None:
        self._cpu_s = self._busy_s = 0.0
        self._spare = 0.0  # threads that requests left unused in the last passes, in the mean

    def look(self, seen: Observation) -> Used:
        """What was used since the last look, by a pass under way too where that can be seen."""
        if seen.busy_s > 0.0:
            self._spare = seen.spare_s / seen.busy_s
        elif not seen.running:  # a pass under way is the first of those who have just come
            self._spare = 0.0 if seen.asked is None else max(0, seen.threads - seen.asked)
        spare = min(self._spare, seen.threads - 1.0)  # there may have been more to spare before
        used = seen.threads - int(spare + _EXACT)
        busy_s = seen.busy_s * ((seen.threads - spare) / used)  # as if all of `used` computed
        if seen.cpu_s is None:
            return Used(used, min(busy_s, seen.dt_s))
        threads = max(used, math.ceil(seen.cpu_s / seen.dt_s - _OVER))
        if threads == used:
            self._cpu_s = _FADE * self._cpu_s + seen.cpu_s / threads
            self._busy_s = _FADE * self._busy_s + busy_s
        return Used(threads, min(seen.cpu_s / threads, seen.dt_s))

    @property
    def intensity(self) -> float:
        """How busy a thread is within a pass, as a share."""
        if self._busy_s <= _ENOUGH_S:
            return 1.0
        return min(1.0, max(_LEAST, self._cpu_s / self._busy_s))
