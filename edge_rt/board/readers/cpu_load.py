"""How busy the processor is: all of it, and the share of given processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from edge_rt.board.readers.base import PENDING, BaseReader, Channel, nothing
from edge_rt.board.readers.cpu_time import BoardTime, ProcessTime, core_count
from edge_rt.board.readers.sysfs import FILE_IO, FileIo

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
        period_s: float = 0.5,
        io: FileIo = FILE_IO,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is in seconds."""
        cores = core_count(proc)
        self._pids = dict(processes or {})
        names = ["cpu", *(f"cpu {name}" for name in self._pids)] if cores else []
        channels = [Channel(name, "fraction", str(proc)) for name in names]
        skipped = nothing("cpu-load", f"{proc}/stat lists no cores", channels)
        super().__init__("cpu-load", channels, period_s, skipped)
        self._cores = cores or 1
        self._board = BoardTime(proc, io)
        self._held: dict[str, ProcessTime] = {}
        self._last: list[tuple[float, float] | None] = [None] * len(channels)
        self._proc, self._io, self._clock = proc, io, clock

    def close(self) -> None:
        """Close every file."""
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
            self._last[index] = held = None
        if pid is None:
            self._fail(index, f"{name} does not run")
            return
        if held is None:
            held = self._held[name] = ProcessTime(self._proc, pid, self._io)
        self._advance(index, held.busy_s(), held.error)

    def _advance(self, index: int, busy_s: float | None, error: str | None) -> None:
        if busy_s is None:
            self._last[index] = None
            self._fail(index, error or "")
            return
        now = self._clock()
        before, self._last[index] = self._last[index], (now, busy_s)
        if before is None or now <= before[0]:
            self._fail(index, PENDING)
            return
        share = (busy_s - before[1]) / (now - before[0]) / self._cores
        self._set(index, min(1.0, max(0.0, share)))
