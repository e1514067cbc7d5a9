"""What an answer took of the machine, and of the board that is simulated around it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchlib import noise
from benchlib.process import Child
from benchlib.twin_record import Look, read_from


@dataclass(frozen=True)
class Spent:
    """CPU seconds of the engine, cores that others used, and joules of the whole board.

    None is what is not known.
    """

    cpu_s: float | None = None
    others: float | None = None
    board_j: float | None = None


class Meter(Protocol):
    """Tells what is spent from one moment to another."""

    def begin(self) -> None:
        """The first moment."""

    def end(self, begin_s: float, end_s: float) -> Spent:
        """The second one; the times are those of the answer by the monotonic clock."""
        ...


class NoMeter:
    """Measures nothing, for a server that is not ours."""

    def begin(self) -> None:
        """Note the first moment."""

    def end(self, begin_s: float, end_s: float) -> Spent:
        """Return what was spent until now; the times are the answer's, by the monotonic clock."""
        return Spent()


class Record:
    """What a simulated board drew, from the file that it grows; see benchlib.twin_record."""

    def __init__(self, file: Path) -> None:
        self._file, self._read = file, 0
        self._looks: list[Look] = []

    def joules(self, begin_s: float, end_s: float) -> float | None:
        """Between two times, the later of which is about now; None where nothing was seen.

        What lies before `begin_s` is forgotten.
        """
        found, self._read = read_from(self._file, self._read)
        self._looks = [look for look in [*self._looks, *found] if look.time_s > begin_s]
        seen_s = seen_j = 0.0
        for look in self._looks:
            part_s = min(end_s, look.time_s) - max(begin_s, look.time_s - look.dt_s)
            if part_s > 0.0:
                seen_s += part_s
                seen_j += part_s * look.power_w
        return seen_j / seen_s * (end_s - begin_s) if seen_s > 0.0 else None


class MachineMeter:
    """Measures a daemon that is our child, and a board's record if there is one."""

    def __init__(
        self,
        child: Child,
        record: Record | None,
        times: Callable[[], noise.CpuTimes] = noise.cpu_times,
        own_s: Callable[[], float] = time.process_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._child, self._record = child, record
        self._times, self._own_s, self._clock = times, own_s, clock
        self.begin()

    def begin(self) -> None:
        """Note the first moment."""
        self._start = self._look()

    def end(self, begin_s: float, end_s: float) -> Spent:
        """Return what was spent until now; the times are the answer's, by the monotonic clock."""
        (now_s, all_s, own_s, engine_s), start = self._look(), self._start
        others = noise.busy_cores(start[1], all_s, now_s - start[0], own_s - start[2])
        cpu_s = engine_s - start[3] if engine_s >= start[3] else None  # it was started anew
        board_j = self._record.joules(begin_s, end_s) if self._record else None
        return Spent(cpu_s, others, board_j)

    def _look(self) -> tuple[float, noise.CpuTimes, float, float]:
        """The clock, all cores' times, and CPU seconds of us with the daemon, and of the engine."""
        engine_s, daemon_s = self._child.children_cpu_s(), self._child.cpu_s()
        return self._clock(), self._times(), self._own_s() + daemon_s, engine_s
