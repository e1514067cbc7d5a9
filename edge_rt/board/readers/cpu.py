"""CPU time of the board and of processes, memory, and time that tasks stalled, from procfs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from typing_extensions import override

from edge_rt.board.readers.base import BaseReader, Channel, CounterRate, share
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, HeldFile
from edge_rt.core.reports.finding import Finding, ok
from edge_rt.core.system.process import stat_fields

_ROWS = (("cpu", b"some"), ("memory", b"some"), ("memory", b"full"), ("io", b"some"))
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


Pid = Callable[[], "int | None"]


class CpuLoad(BaseReader):
    """The `fraction` of all cores that was busy since the last read: "cpu" and "cpu NAME".

    A process is named by a callable that gives its pid now, or None while it does not run, so
    that a process that is started again is followed.
    """

    def __init__(
        self,
        proc: Path,
        processes: Mapping[str, Pid] | None = None,
        io: FileIo = FILE_IO,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is in seconds."""
        cores = core_count(proc)
        self._pids = dict(processes or {})
        names = ["cpu", *(f"cpu {name}" for name in self._pids)] if cores else []
        channels = [Channel(name, "fraction", str(proc)) for name in names]
        super().__init__("cpu-load", channels, 0.5, absent=f"{proc}/stat lists no cores")
        self._cores = cores or 1
        self._board = CpuTime(proc, io)
        self._held: dict[str, CpuTime] = {}
        self._rates = [CounterRate() for _ in channels]
        self._proc, self._io, self._clock = proc, io, clock

    def close(self) -> None:
        self._board.file.close()
        for held in self._held.values():
            held.file.close()

    def _read(self) -> None:
        self._advance(0, self._board.busy_s(), self._board.error)
        for index, (name, pid) in enumerate(self._pids.items(), 1):
            self._process(index, name, pid())

    def _process(self, index: int, name: str, pid: int | None) -> None:
        held = self._held.get(name)
        if held is not None and held.pid != pid:
            self._held.pop(name).file.close()
            self._rates[index], held = CounterRate(), None
        if pid is None:
            self._fail(index, f"{name} does not run")
            return
        if held is None:
            held = self._held[name] = CpuTime(self._proc, self._io, pid)
        self._advance(index, held.busy_s(), held.error)

    def _advance(self, index: int, busy_s: float | None, error: str | None) -> None:
        total = None if busy_s is None else busy_s / self._cores
        rate = self._rates[index].take(self._clock(), total)
        self._put(index, error or "" if busy_s is None else share(rate))


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


class Pressure(BaseReader):
    """The `fraction` of time that tasks stood still for want of CPU, memory or disk.

    "pressure memory some": at least one task, "... full": all of them, since the last read. From
    the kernel's pressure stall information, which some kernels are built without.
    """

    def __init__(
        self,
        proc: Path,
        io: FileIo = FILE_IO,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is in seconds."""
        folder = proc / "pressure"
        self._rows = [(what, key) for what, key in _ROWS if (folder / what).exists()]
        channels = [
            Channel(f"pressure {what} {key.decode()}", "fraction", str(folder / what))
            for what, key in self._rows
        ]
        absent = f"no {folder}: the kernel counts no pressure; psi=1 among its parameters may help"
        super().__init__("pressure", channels, 0.5, absent=absent)
        self._files = {what: HeldFile(folder / what, io, 256) for what, _ in self._rows}
        self._rates = [CounterRate() for _ in channels]
        self._clock = clock

    @override
    def diagnose(self, supply_w: float | None = None) -> Iterator[Finding]:
        """Yield whether the kernel tells for how long tasks want for memory."""
        if any(value is not None for value in self.values):
            yield ok("pressure", "the kernel counts pressure stalls (PSI)")

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def _read(self) -> None:
        for index, (what, key) in enumerate(self._rows):
            file = self._files[what]
            data = file.read()
            total = None if data is None else _stalled_s(data, key)
            rate = self._rates[index].take(self._clock(), total)
            none = file.error or f"pressure/{what} has no total of {key.decode()}"
            self._put(index, none if total is None else share(rate))


def _stalled_s(data: bytes, key: bytes) -> float | None:
    for line in data.splitlines():
        if line.startswith(key):
            total = line.partition(b"total=")[2].strip()
            return int(total) * 1e-6 if total.isdigit() else None
    return None


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
