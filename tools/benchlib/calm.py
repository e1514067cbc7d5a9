"""Doing again what other processes disturbed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from benchlib.noise import OTHERS_LIMIT, CpuTimes, busy_cores, cpu_times

_LOOK_S = 0.5

T = TypeVar("T")
Clock = Callable[[], float]


@dataclass
class Calm:
    """Has patience for `left_s` seconds in all, in which things are done again or not yet.

    What is still disturbed when they are over counts as `disturbed`.
    """

    left_s: float
    clock: Clock = time.perf_counter
    cpu: Clock = time.process_time
    times: Callable[[], CpuTimes] = cpu_times
    sleep: Callable[[float], None] = time.sleep
    done: int = 0
    disturbed: int = 0

    def make(self, what: Callable[[], T]) -> T:
        """What comes of `what` where others use no more than OTHERS_LIMIT cores meanwhile."""
        while True:
            made, others, took_s = self._observed(what)
            if others <= OTHERS_LIMIT or self.left_s <= 0.0:
                self.done += 1
                self.disturbed += others > OTHERS_LIMIT
                return made
            self.left_s -= took_s
            self._wait()

    def _wait(self) -> None:
        others = 1.0
        while others > OTHERS_LIMIT and self.left_s > 0.0:
            _, others, took_s = self._observed(lambda: self.sleep(_LOOK_S))
            self.left_s -= took_s

    def _observed(self, what: Callable[[], T]) -> tuple[T, float, float]:
        """What comes of it, the cores that others used meanwhile, and the seconds."""
        before, begin_s, begin_cpu_s = self.times(), self.clock(), self.cpu()
        made = what()
        took_s = self.clock() - begin_s
        others = busy_cores(before, self.times(), took_s, self.cpu() - begin_cpu_s)
        return made, others, took_s
