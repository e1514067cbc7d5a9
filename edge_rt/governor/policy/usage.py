"""What observations tell of the engine's threads, and of the cores that others leave."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from edge_rt.core.limits import Observation

_MOST_CORES = 4096.0
_MOST_S = 600.0  # of passes between two looks
_MOST = 1_000_000  # tokens, requests
_TEMPS_C, _CLOCKS_HZ, _COUNTS, _SECONDS = (-60.0, 200.0), (1e6, 1e11), (0, _MOST), (0.0, _MOST_S)
_Bounds = tuple[float, float]
# Figures that are not known where they are out of these bounds. Sensors of power with an offset
# read a little below nothing.
_READ: dict[str, _Bounds] = {
    "power_w": (-10.0, 10_000.0),
    "trip_c": (20.0, 150.0),
    "fan": (0.0, 1.0),
    "others": (0.0, _MOST_CORES),
    "cpu_s": (0.0, _MOST_CORES * _MOST_S),
    "gpu_s": _SECONDS,
    "gpu_load": (0.0, 1.0),
    "supply_j": (0.0, 1e15),
    "period_left_s": (0.0, 1e6),
    **dict.fromkeys(("temp_c", "near_c"), _TEMPS_C),
    **dict.fromkeys(("cpu_hz", "gpu_hz", "real_cpu_hz", "real_gpu_hz"), _CLOCKS_HZ),
}
# Figures that are always known: the nearest one within counts.
_TOLD: dict[str, _Bounds] = {
    "time_s": (-math.inf, math.inf),
    "dt_s": (0.0, math.inf),
    "helped": (0.0, _MOST_CORES),
    "spare_s": (0.0, _MOST_CORES * _MOST_S),
    **dict.fromkeys(("busy_s", "prompt_s"), _SECONDS),
    **dict.fromkeys(("tokens", "prompt_tokens", "running", "waiting"), _COUNTS),
}
DOWN_AT = 0.6  # cores that others must use, beyond whole ones, to take one more away
UP_AT = 0.4  # and below which it is given back
DOWN_AFTER = 2  # readings in a row
UP_AFTER = 3
_READING_S = 0.35  # over which others' cores are taken together
_FADE = 0.98  # of the sums, from look to look
_ENOUGH_S = 2.0  # least time of passes that gives an intensity: the first passes read from disk
_LEAST = 0.5  # lowest intensity
_OVER = 0.15  # of a thread more than there are: a pass under way keeps the threads it began with
_EXACT = 0.01  # of a thread, by which sums of seconds may be off
_PURE = 0.1  # share of the other phase up to which a look counts as of one phase
_GPU_S = 2.0  # time constant of the GPU's load by others


def clean(seen: Observation, cores: int) -> Observation:
    """`seen` without figures that are not numbers or out of all reason.

    `dt_s` becomes 0 where it makes no sense; then nothing is to be learnt.
    """
    given = vars(seen)
    found: dict[str, Any] = {name: _within(given[name], *bounds) for name, bounds in _READ.items()}
    found |= {name: _bound(given[name], *bounds) for name, bounds in _TOLD.items()}
    found["power_w"] = None if found["power_w"] is None else max(0.0, found["power_w"])
    found["prompt_s"] = min(found["prompt_s"], found["busy_s"])
    found["threads"] = int(_bound(seen.threads, 1, cores))
    found["asked"] = None if seen.asked is None else int(_bound(seen.asked, 1, cores))
    return dataclasses.replace(seen, **found)


def _within(value: float | None, low: float, high: float) -> float | None:
    """Return `value` if it is a number from `low` to `high`, else None."""
    return value if value is not None and low <= value <= high else None


def _bound(value: float | None, low: float, high: float) -> float:
    """Return the nearest figure within; the lowest finite one, or 0, where there is no number."""
    if value is None or not math.isfinite(value):
        return low if math.isfinite(low) else 0.0
    return min(max(value, low), high)


class ThreadChooser:
    """Turns readings of the cores that others use into a thread count, with hysteresis.

    Two threads that wait for each other at every layer are slower than one when a third process
    wants one of two cores, so a core that others use is left to them. It is told often, and reads
    about twice a second.
    """

    def __init__(self, cores: int) -> None:
        """`cores` is the most threads that may be used."""
        self.threads = cores
        self._cores = cores
        self._fewer: list[int] = []  # what readings in a row asked for, fewer than there are
        self._more: list[int] = []
        self._core_s = self._seconds = 0.0  # since the last reading

    def look(self, dt_s: float, others: float | None) -> None:
        """Others used that many cores in the last `dt_s`; None: nobody knows."""
        if others is None:
            return
        self._core_s += dt_s * others
        self._seconds += dt_s
        if self._seconds >= _READING_S:
            self.update(self._core_s / self._seconds)
            self._core_s = self._seconds = 0.0

    def update(self, others: float) -> int:
        """Return the threads to use after `others` cores were seen in other hands."""
        fewer = self._cores - int(others + 1 - DOWN_AT)
        more = self._cores - int(others + 1 - UP_AT)
        self._fewer = [*self._fewer, fewer] if fewer < self.threads else []
        self._more = [*self._more, more] if more > self.threads else []
        if len(self._fewer) >= DOWN_AFTER:
            self._settle(max(self._fewer))  # what all of them asked for
        elif len(self._more) >= UP_AFTER:
            self._settle(min(self._more))
        return self.threads

    def _settle(self, threads: int) -> None:
        self.threads = max(1, min(self._cores, threads))
        self._fewer, self._more = [], []


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


class ThreadUsage:
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

    @property
    def present_intensity(self) -> float:
        """How busy a thread is within the last pass, or the pass under way."""
        return self.intensity + self.prompt_share * (self.prompt_intensity - self.intensity)

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
        """Return seconds that passes kept the GPU busy.

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
