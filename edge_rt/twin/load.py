"""The real CPU time and memory of the watched process and its descendants."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SEARCH_S = 1.0  # looking for new children reads the whole of /proc
_USER, _SYSTEM, _RESIDENT = 11, 12, 21  # in stat, counted behind the name


@dataclass(frozen=True)
class Usage:
    """Core seconds used since the last look, and bytes of memory held now."""

    busy_s: float
    resident_bytes: int
    pids: tuple[int, ...]


class Load:
    """Watches a process, all that descend from it, and never this process itself."""

    def __init__(
        self,
        pid: int,
        proc: Path = Path("/proc"),
        family: Callable[[int], list[int]] | None = None,
    ) -> None:
        """`family` gives the pids below one pid; time that was used before now does not count."""
        self.pid = pid
        self._proc = proc
        self._family = family or _descendants
        self._next_search_s: float | None = None
        self._seen: dict[int, int] = {}  # ticks by pid
        self._pids: tuple[int, ...] = (pid,)

    def look(self, now_s: float) -> Usage | None:
        """What was used since the last look; None once the watched process has ended."""
        first = self._next_search_s is None
        if self._next_search_s is None or now_s >= self._next_search_s:
            self._next_search_s = now_s + _SEARCH_S
            self._pids = (self.pid, *(p for p in self._family(self.pid) if p != os.getpid()))
        figures = {pid: row for pid in self._pids if (row := self._figures(pid)) is not None}
        if self.pid not in figures:
            return None
        ticks = sum(t - self._seen.get(pid, t if first else 0) for pid, (t, _) in figures.items())
        self._seen = {pid: row[0] for pid, row in figures.items()}
        pages = sum(pages for _, pages in figures.values())
        return Usage(max(0, ticks) * _TICK_S, pages * _PAGE, tuple(figures))

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


def _descendants(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []
