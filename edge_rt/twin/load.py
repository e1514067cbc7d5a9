"""The real CPU time and memory of the watched process and its descendants, and a GPU's time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_rt.twin.family import Family
from edge_rt.twin.passes import Passes, Spent

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_USER, _SYSTEM, _RESIDENT = 11, 12, 21  # in stat, counted behind the name
_NONE = Spent(0.0, 0.0)


@dataclass(frozen=True)
class Usage:
    """Core seconds used since the last look, and bytes of memory held now.

    `gpu_s` are the seconds since the last look for which a GPU was busy, or would have been.
    """

    busy_s: float
    resident_bytes: int
    pids: tuple[int, ...]
    gpu_s: float = 0.0


class Load:
    """Watches a process, all that descend from it, and never this process itself.

    What engines compute here of layers on a GPU is no work of the board's processor: instead of
    the cores that it took, one core counts, which would wait for the GPU meanwhile.
    """

    def __init__(
        self, pid: int, proc: Path = Path("/proc"), clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Time that was used before the first look does not count. `clock` is in seconds."""
        self.pid = pid
        self._proc = proc
        self._family = Family(pid, proc)
        self._passes = Passes(proc, clock)
        self._seen: dict[int, int] | None = None  # ticks by pid

    def look(self) -> Usage | None:
        """What was used since the last look; None once the watched process has ended."""
        pids = self._family.pids()
        figures = {pid: row for pid in pids if (row := self._figures(pid)) is not None}
        if self.pid not in figures:
            return None
        spent = {pid: row[0] for pid, row in figures.items()}
        seen = spent if self._seen is None else self._seen
        passes = self._passes.look(figures)
        busy_s = gpu_s = 0.0
        for pid, now in spent.items():
            on_gpu = passes.get(pid, _NONE)
            busy_s += (now - seen.get(pid, 0)) * _TICK_S * (1.0 - on_gpu.share) + on_gpu.gpu_s
            gpu_s += on_gpu.gpu_s
        self._seen = spent
        pages = sum(pages for _, pages in figures.values())
        return Usage(max(0.0, busy_s), pages * _PAGE, tuple(figures), gpu_s)

    def _figures(self, pid: int) -> tuple[int, int] | None:
        """Ticks and pages; None where the process is gone or only waits to be reaped."""
        try:
            data = (self._proc / str(pid) / "stat").read_bytes()
        except OSError:
            return None
        words = data.rpartition(b")")[2].split()
        if len(words) <= _RESIDENT or words[0] in (b"Z", b"X"):
            return None
        return int(words[_USER]) + int(words[_SYSTEM]), int(words[_RESIDENT])
