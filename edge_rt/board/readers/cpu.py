"""CPU time of the board and of a process, and memory, from procfs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from edge_rt.board.readers.base import BaseReader, Channel, CounterRate, share
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, HeldFile
from edge_rt.core.system.process import stat_fields

_KEYS = (("memory available", b"MemAvailable:"), ("memory total", b"MemTotal:"))
_IDLE = slice(3, 5)  # idle and iowait, of the columns behind the word "cpu"
_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


class CpuTime:
    """Busy seconds of all cores together, or of process `pid` with all its threads.

    `error` says why there are none.
    """

    def __init__(self, proc: Path, io: FileIo = FILE_IO, pid: int | None = None) -> None:
        self.pid = pid
        self.file = HeldFile((proc if pid is None else proc / str(pid)) / "stat", io, 512)
        self.error: str | None = None

    def busy_s(self) -> float | None:
        """Return seconds since boot, or since the process began; None where not readable."""
        data = self.file.read()
        ticks = None if data is None else self._ticks(data)
        if ticks is not None:
            return ticks * _TICK_S
        why = self.file.error if data is None else f"stat holds no CPU times: {data[:20]!r}"
        self.error = why if self.pid is None else f"process {self.pid}: {why}"
        return None

    def _ticks(self, data: bytes) -> int | None:
        try:
            if self.pid is not None:
                user, system = stat_fields(data)[11:13]
                return int(user) + int(system)
            words = data.partition(b"\n")[0].split()
            ticks = [int(word) for word in words[1:9]]  # guest time, behind, is in user time
        except ValueError:
            return None
        known = words[:1] == [b"cpu"] and len(ticks) > _IDLE.start
        return sum(ticks) - sum(ticks[_IDLE]) if known else None


def core_count(proc: Path) -> int | None:
    """Return the number of cores that /proc/stat lists; None where not readable."""
    try:
        with (proc / "stat").open(encoding="ascii", errors="replace") as file:
            count = sum(1 for line in file if line[:3] == "cpu" and line[3:4].isdigit())
    except OSError:
        return None
    return count or None


class CpuLoad(BaseReader):
    """The `fraction` of all cores that was busy since the last read: "cpu"."""

    def __init__(
        self, proc: Path, io: FileIo = FILE_IO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` is in seconds."""
        cores = core_count(proc)
        channels = [Channel("cpu", "fraction", str(proc))] if cores else []
        super().__init__("cpu-load", channels, 0.5, absent=f"{proc}/stat lists no cores")
        self._cores, self._clock = cores or 1, clock
        self._time, self._rate = CpuTime(proc, io), CounterRate()

    def close(self) -> None:
        self._time.file.close()

    def _read(self) -> None:
        busy_s = self._time.busy_s()
        total = None if busy_s is None else busy_s / self._cores
        rate = self._rate.take(self._clock(), total)
        self._put(0, self._time.error or "" if busy_s is None else share(rate))


class CpuReader:
    """Reads busy seconds, each a counter that only grows."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._board = CpuTime(proc)

    def board_s(self) -> float | None:
        """Return seconds that all cores together were busy since boot; None where not readable."""
        return self._board.busy_s()

    def process_s(self, pid: int) -> float | None:
        """User and system seconds of all threads of `pid`; None when it is gone."""
        process = CpuTime(self._proc, pid=pid)
        try:
            return process.busy_s()
        finally:
            process.file.close()


class MemoryReader(BaseReader):
    """`bytes` that programs can still have and all there are.

    Named "memory available" and "memory total".
    """

    def __init__(self, proc: Path, io: FileIo = FILE_IO) -> None:
        path = proc / "meminfo"
        names = [name for name, _ in _KEYS] if path.exists() else []
        channels = [Channel(name, "bytes", str(path)) for name in names]
        super().__init__("memory", channels, 0.5, absent=f"no {path}")
        self._file = HeldFile(path, io, 256)

    def close(self) -> None:
        self._file.close()

    def _read(self) -> None:
        data = self._file.read()
        if data is None:
            self._fail_all(self._file.error or "")
            return
        for index, (_, key) in enumerate(_KEYS):
            words = data.partition(key)[2].split(None, 2)
            if len(words) > 1 and words[0].isdigit() and words[1] == b"kB":
                self._set(index, int(words[0]) * 1024.0)
            else:
                self._fail(index, f"meminfo has no {key.decode()}")
