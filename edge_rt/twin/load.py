"""CPU time and memory of the watched process and its descendants, and a GPU's time."""

from __future__ import annotations

import logging
import os
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_PARENT = 1  # in stat, counted behind the name
_ENGINE = b"edge_rt.engine.worker"  # in the command line of an engine
_MEMORY = -2  # index of the word of that line which is the memory's descriptor
_FIGURES = struct.Struct("=5Q")  # words 3 to 7 of that memory, see Heartbeat
_PLACE = 24  # bytes before them
_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_USER, _SYSTEM, _RESIDENT = 11, 12, 21  # in stat, counted behind the name
log = logging.getLogger(__name__)


class Family:
    """A process and all that descend from it, but never this process itself.

    A look costs one listing and the reading of what is new, so it may be taken at each step: a
    child that is found late would have its first second's CPU time felt all at once.
    """

    def __init__(self, pid: int, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._members = {pid}
        self._known: set[int] = {os.getpid()}

    def pids(self) -> tuple[int, ...]:
        """Return the present process ids in order; one that changed its parent stays a member."""
        present = {int(path.name) for path in self._proc.iterdir() if path.name.isdigit()}
        parents = {pid: self._parent(pid) for pid in present - self._known}
        self._members &= present
        while joining := {pid for pid, parent in parents.items() if parent in self._members}:
            self._members |= joining
            parents = {pid: parent for pid, parent in parents.items() if pid not in joining}
        self._known = present | {os.getpid()}
        return tuple(sorted(self._members))

    def _parent(self, pid: int) -> int | None:
        """Return the parent of a process; None where it is gone already."""
        words = _stat(self._proc, pid)
        return int(words[_PARENT]) if len(words) > _PARENT else None


def _stat(proc: Path, pid: int) -> list[bytes]:
    """Return the words of stat behind the process's name; none where it is gone."""
    try:
        return (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


@dataclass(frozen=True)
class GpuTime:
    """Seconds since the last look that passes kept a GPU busy, and their `share` of all passes."""

    gpu_s: float
    share: float


class Passes:
    """Looks at the engines of a board; `clock` is the monotonic one, in seconds."""

    def __init__(
        self, proc: Path = Path("/proc"), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._proc, self._clock = proc, clock
        self._engines: dict[int, _Engine] = {}
        self._refused: set[int] = set()

    def look(self, pids: Iterable[int]) -> dict[int, GpuTime]:
        """Return the time spent since the last look, by process, for those that are engines.

        Passes before the first look at an engine do not count.
        """
        present = set(pids)
        for pid in self._engines.keys() - present:
            self._engines.pop(pid).close()
        for pid in present - self._engines.keys():
            if (fd := self._memory(pid)) is not None:
                self._engines[pid] = _Engine(fd)
        now_s = self._clock()
        return {pid: engine.look(now_s) for pid, engine in self._engines.items()}

    def _memory(self, pid: int) -> int | None:
        """Return a descriptor of the memory that an engine shares.

        None where the process is no engine, or is another user's engine, which is logged once.
        """
        folder = self._proc / str(pid)
        try:
            words = (folder / "cmdline").read_bytes().removesuffix(b"\0").split(b"\0")
            if _ENGINE not in words[:_MEMORY]:
                return None
            return os.open(folder / "fd" / os.fsdecode(words[_MEMORY]), os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError:
            if pid not in self._refused:
                self._refused.add(pid)
                log.warning("engine %d is another user's: its passes heat no GPU", pid)
            return None
        except OSError:
            return None


class _Engine:
    """One engine's passes, those under way included."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._told: tuple[float, float] | None = None  # seconds in passes, and the GPU's
        self._share = 0.0

    def look(self, now_s: float) -> GpuTime:
        """Return the time spent since the last look, at `now_s`."""
        found = self._totals(now_s)
        told = self._told or found
        if found is None or told is None:
            return GpuTime(0.0, self._share)
        # A pass that has failed was counted while it was under way.
        self._told = max(found[0], told[0]), max(found[1], told[1])
        all_s, gpu_s = self._told[0] - told[0], self._told[1] - told[1]
        if all_s > 0.0:
            self._share = min(1.0, gpu_s / all_s)
        return GpuTime(gpu_s, self._share)

    def close(self) -> None:
        os.close(self._fd)

    def _totals(self, now_s: float) -> tuple[float, float] | None:
        """Return seconds in all passes, and the GPU's.

        None while they change, or before the first.
        """
        data = os.pread(self._fd, _FIGURES.size, _PLACE)
        if len(data) < _FIGURES.size:
            return None
        changes, all_us, gpu_us, begin_us, share_ppm = _FIGURES.unpack(data)
        if changes % 2:
            return None
        under_way_s = max(0.0, now_s - begin_us * 1e-6) if begin_us else 0.0
        return all_us * 1e-6 + under_way_s, gpu_us * 1e-6 + under_way_s * share_ppm * 1e-6


@dataclass(frozen=True)
class WatchedUsage:
    """Core seconds used since the last look, and bytes of memory held now.

    `gpu_s` are the seconds since the last look for which a GPU was busy, or would have been.
    """

    busy_s: float
    resident_bytes: int
    pids: tuple[int, ...]
    gpu_s: float = 0.0


class WatchedLoad:
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

    def look(self) -> WatchedUsage | None:
        """Return what was used since the last look; None once the watched process has ended."""
        pids = self._family.pids()
        figures = {pid: row for pid in pids if (row := self._figures(pid)) is not None}
        if self.pid not in figures:
            return None
        spent = {pid: row[0] for pid, row in figures.items()}
        seen = spent if self._seen is None else self._seen
        passes = self._passes.look(figures)
        busy_s = gpu_s = 0.0
        for pid, now in spent.items():
            on_gpu = passes.get(pid, GpuTime(0.0, 0.0))
            busy_s += (now - seen.get(pid, 0)) * _TICK_S * (1.0 - on_gpu.share) + on_gpu.gpu_s
            gpu_s += on_gpu.gpu_s
        self._seen = spent
        pages = sum(pages for _, pages in figures.values())
        return WatchedUsage(max(0.0, busy_s), pages * _PAGE, tuple(figures), gpu_s)

    def _figures(self, pid: int) -> tuple[int, int] | None:
        """Ticks and pages; None where the process is gone or only waits to be reaped."""
        words = _stat(self._proc, pid)
        if len(words) <= _RESIDENT or words[0] in (b"Z", b"X"):
            return None
        return int(words[_USER]) + int(words[_SYSTEM]), int(words[_RESIDENT])
