"""How long the engine's threads really computed, and for what."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_rt.core.limits import Observation

_FADE = 0.98  # of the sums, from look to look
_ENOUGH_S = 2.0  # least time of passes that gives an intensity: the first passes read from disk
_LEAST = 0.5  # lowest intensity
_OVER = 0.15  # of a thread more than there are: a pass under way keeps the threads it began with
_EXACT = 0.01  # of a thread, by which sums of seconds may be off
_PURE = 0.1  # share of the other phase up to which a look counts as of one phase
_GPU_S = 2.0  # time constant of the GPU's load by others


@dataclass(frozen=True)
class Used:
    """Threads that computed, and the seconds for which all of them did."""

    threads: int
    busy_s: float


class _Intensity:
    """Processor time over the passes' time, in one phase."""

    def __init__(self) -> None:
        self._cpu_s = self._busy_s = 0.0

    def add(self, cpu_s: float, busy_s: float) -> None:
        self._cpu_s = _FADE * self._cpu_s + cpu_s
        self._busy_s = _FADE * self._busy_s + busy_s

    @property
    def value(self) -> float:
        if self._busy_s <= _ENOUGH_S:
            return 1.0
        return min(1.0, max(_LEAST, self._cpu_s / self._busy_s))


class Usage:
    """Compares processor time with the passes' time: threads wait for memory and for each other.

    `prompt_share` is the share of the last pass, or as far as is known of the pass under way, that
    reads prompts. `behind_s` is how long passes that have just ended had run before the look.
    `gpu` is the share of the time that others keep the GPU busy.
    """

    def __init__(self) -> None:
        self.prompt_share = self.behind_s = self.gpu = 0.0
        self._decode, self._prompt = _Intensity(), _Intensity()
        self._pending_s = 0.0  # processor time of a pass under way
        self._running = 0
        self._apart_s = 0.0  # mean seconds of a look for which the GPU was busy beyond our passes
        self._spare = 0.0  # mean threads that requests left unused in the last passes

    @property
    def intensity(self) -> float:
        """How busy a thread is within a pass that decodes, as a share."""
        return self._decode.value

    @property
    def prompt_intensity(self) -> float:
        """How busy a thread is within a pass that reads prompts."""
        return self._prompt.value

    def look(self, seen: Observation) -> Used:
        """Threads and time used since the last look, by a pass under way too if that is visible."""
        self._phase(seen)
        if seen.gpu_s is not None:
            return Used(seen.threads, self._look_at_gpu(seen, seen.gpu_s))
        if seen.busy_s > 0.0:
            self._spare = seen.spare_s / seen.busy_s
        elif not seen.running:  # the pass under way is the first one of new requests
            self._spare = 0.0 if seen.asked is None else max(0, seen.threads - seen.asked)
        spare = min(self._spare, seen.threads - 1.0)  # there may have been more threads then
        used = seen.threads - int(spare + _EXACT)
        busy_s = seen.busy_s * ((seen.threads - spare) / used)  # as if all of `used` computed
        if seen.cpu_s is None:
            return Used(used, min(busy_s, seen.dt_s))
        threads = max(used, math.ceil(seen.cpu_s / seen.dt_s - _OVER))
        self._count(seen.cpu_s / threads, busy_s, threads == used)
        return Used(threads, min(seen.cpu_s / threads, seen.dt_s))

    def _phase(self, seen: Observation) -> None:
        self.behind_s = max(0.0, seen.busy_s - seen.dt_s)
        if seen.busy_s > 0.0:
            self.prompt_share = min(1.0, seen.prompt_s / seen.busy_s)
        elif seen.running > self._running:  # a request begins with its prompt
            self.prompt_share = 1.0
        self._running = seen.running

    def _count(self, cpu_s: float, busy_s: float, sure: bool) -> None:
        self._pending_s += cpu_s
        if busy_s <= 0.0:
            return
        spent_s, self._pending_s = self._pending_s, 0.0
        if sure and self.prompt_share <= _PURE:
            self._decode.add(spent_s, busy_s)
        elif sure and self.prompt_share >= 1.0 - _PURE:
            self._prompt.add(spent_s, busy_s)

    def _look_at_gpu(self, seen: Observation, gpu_s: float) -> float:
        """Seconds that passes kept the GPU busy.

        The GPU's load file shows a pass under way too, but also other programs: their part is its
        mean beyond our passes. Without that file passes count when they end.
        """
        if seen.gpu_load is None:
            self.behind_s = max(0.0, gpu_s - seen.dt_s)
            return min(gpu_s, seen.dt_s)
        self.behind_s = 0.0
        share = 1.0 - math.exp(-seen.dt_s / _GPU_S)
        self._apart_s += share * (seen.gpu_load * seen.dt_s - gpu_s - self._apart_s)
        others_s = max(0.0, self._apart_s)
        self.gpu = others_s / seen.dt_s
        return max(0.0, seen.gpu_load * seen.dt_s - others_s)
