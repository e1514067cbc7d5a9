"""Busy CPU seconds from held procfs files."""

from __future__ import annotations

import os
from pathlib import Path

from edge_rt.board.readers.sysfs import FILE_IO, FileIo, HeldFile

_IDLE = slice(3, 5)  # idle and iowait, of the columns behind the word "cpu"
_GUEST = 9  # from here on time is counted in the user columns already
_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


class BoardTime:
    """Busy seconds of all cores together; `error` says why there are none."""

    def __init__(self, proc: Path, io: FileIo = FILE_IO) -> None:
        self.file = HeldFile(proc / "stat", io, 256)
        self.error: str | None = None

    def busy_s(self) -> float | None:
        """Seconds since boot, idle and iowait left out; None where not readable."""
        data = self.file.read()
        if data is None:
            self.error = self.file.error
            return None
        words = data.partition(b"\n")[0].split()
        try:
            ticks = [
                int(word) for word in words[1:9]
            ]  # guest time, behind, is in user time already
        except ValueError:
            ticks = []
        if words[:1] == [b"cpu"] and len(ticks) > _IDLE.start:
            return (sum(ticks) - sum(ticks[_IDLE])) * _TICK_S
        self.error = f"stat starts with no CPU times: {data[:20]!r}"
        return None


class ProcessTime:
    """User and system seconds of one process, all threads; `error` says why there are none."""

    def __init__(self, proc: Path, pid: int, io: FileIo = FILE_IO) -> None:
        self.pid = pid
        self.file = HeldFile(proc / str(pid) / "stat", io, 512)
        self.error: str | None = None

    def busy_s(self) -> float | None:
        """Seconds since the process began; None when it is gone."""
        data = self.file.read()
        if data is None:
            self.error = f"process {self.pid}: {self.file.error}"
            return None
        try:
            user, system = data.rpartition(b")")[2].split()[11:13]
            return (int(user) + int(system)) * _TICK_S
        except ValueError:
            self.error = f"process {self.pid}: stat holds no CPU times"
            return None


def core_count(proc: Path) -> int | None:
    """The number of cores that /proc/stat lists; None where not readable."""
    try:
        with (proc / "stat").open(encoding="ascii", errors="replace") as file:
            count = sum(1 for line in file if line[:3] == "cpu" and line[3:4].isdigit())
    except OSError:
        return None
    return count or None
