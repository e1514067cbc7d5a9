"""The governor's rival on the second plant: an integral controller whose setting an oracle chose.

It knows the best threads and the best aim for its scene beforehand; the rest is `step`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from benchlib.plant_best import Constants, chunk_of
from benchlib.plant_cache import Kept, Values
from benchlib.plant_run import Scene, simulate
from edge_rt.core.limits import Limits, Observation

LEAST_DUTY = 0.02
GAIN = 0.4  # of the duty, per look: on the whole the best of 0.05 to 1.2
AIMS = tuple(0.80 + 0.01 * n for n in range(21))  # as shares of the cap
_COUNTS = 4  # thread counts that are tried
HELD = 0.997  # share of the windows that it must keep, unless the governor keeps fewer


class Integral:
    """An integral controller of the duty."""

    def __init__(self, cap_w: float, threads: int, aim: float, chunk: int | None) -> None:
        self._cap_w, self._aim, self._duty = cap_w, aim, 0.5
        self._threads, self._chunk = threads, chunk

    def step(self, seen: Observation) -> Limits:
        """The limits after an observation."""
        if seen.power_w is not None:
            error = (self._aim * self._cap_w - seen.power_w) / self._cap_w
            self._duty = min(1.0, max(LEAST_DUTY, self._duty + GAIN * error))
        return Limits(self._threads, self._duty, prefill_chunk=self._chunk)


@dataclass(frozen=True)
class Rival:
    """The rival's setting and what it achieved."""

    threads: int
    aim: float
    values: Values  # ok, worst, mean, work


class Oracle:
    """Chooses the rival's threads and aim for a scene under a cap."""

    def __init__(self, constants: Constants, scene: Scene, cap_w: float, window_s: float) -> None:
        self._constants, self._scene = constants, scene
        self._cap_w, self._window_s = cap_w, window_s

    def best(self, kept: Kept, name: str, ok: float) -> Rival | None:
        """The most tokens of those that keep at least min(HELD, ok) of the windows."""

        def run(threads: int, aim: float) -> Values:
            key = f"{name} rival {threads} threads, aim {aim:.2f}"
            values = kept.get(key, lambda: self._run(threads, aim))
            assert values is not None
            return values

        threads = self._constants.likely_threads(self._cap_w)[:_COUNTS]
        return best_rival(run, threads, min(HELD, ok))

    def _run(self, threads: int, aim: float) -> Values:
        constants, scene = self._constants, self._scene
        control = Integral(self._cap_w, threads, aim, chunk_of(scene, threads))
        trace = simulate(scene, control.step)
        return constants.kept(trace, self._cap_w, self._window_s) | {"work": constants.work(trace)}


def best_rival(
    run: Callable[[int, float], Values], threads: Iterable[int], ok: float
) -> Rival | None:
    """The most work of all threads and AIMS that keep the share `ok` of the windows."""
    found: list[Rival] = []
    for count in threads:
        aim = _highest(partial(run, count), ok)
        found += [] if aim is None else [Rival(count, aim, run(count, aim))]
    return max(found, key=lambda one: one.values["work"], default=None)


def _highest(run: Callable[[float], Values], least: float) -> float | None:
    """The highest of AIMS that keeps `least` of the windows; None: not even the lowest does."""
    low, high = -1, len(AIMS) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if run(AIMS[middle])["ok"] >= least else (low, middle - 1)
    return None if low < 0 else AIMS[low]
