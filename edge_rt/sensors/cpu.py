"""CPU time of the whole board and of single processes, from procfs."""

from __future__ import annotations

import os
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_IDLE, _IOWAIT, _GUEST = 3, 4, 8  # columns of the "cpu" line; guest time is in user time already


class CpuReader:
    """Reads busy seconds, each a counter that only grows."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc

    def board_s(self) -> float | None:
        """Seconds that all cores together were busy since boot; None where not readable."""
        try:
            with (self._proc / "stat").open() as stat:
                name, *words = stat.readline().split()
                fields = [int(word) for word in words]
        except (OSError, ValueError):
            return None
        if name != "cpu" or len(fields) <= _IDLE:
            return None
        busy = [f for i, f in enumerate(fields[:_GUEST]) if i not in (_IDLE, _IOWAIT)]
        return sum(busy) * _TICK_S

    def process_s(self, pid: int) -> float | None:
        """User and system seconds of all threads of `pid`; None when it is gone."""
        try:
            stat = (self._proc / str(pid) / "stat").read_text()
            user, system = stat.rpartition(")")[2].split()[11:13]
            return (int(user) + int(system)) * _TICK_S
        except (OSError, ValueError):
            return None
