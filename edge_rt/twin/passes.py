"""How long the passes of watched engines kept a GPU busy.

An engine notes its passes in memory that it shares with its front; Beat documents the words of
that memory. Nothing else of an engine is read, and nothing is written.
"""

from __future__ import annotations

import logging
import os
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_ENGINE = b"edge_rt.engine.worker"  # in the command line of an engine
_MEMORY = -2  # index of the word of that line which is the memory's descriptor
_FIGURES = struct.Struct("=5Q")  # words 3 to 7 of that memory, see Beat
_PLACE = 24  # bytes before them


@dataclass(frozen=True)
class Spent:
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

    def look(self, pids: Iterable[int]) -> dict[int, Spent]:
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
        """A descriptor of the memory that an engine shares.

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

    def look(self, now_s: float) -> Spent:
        """Return the time spent since the last look, at `now_s`."""
        found = self._totals(now_s)
        told = self._told or found
        if found is None or told is None:
            return Spent(0.0, self._share)
        # A pass that has failed was counted while it was under way.
        self._told = max(found[0], told[0]), max(found[1], told[1])
        all_s, gpu_s = self._told[0] - told[0], self._told[1] - told[1]
        if all_s > 0.0:
            self._share = min(1.0, gpu_s / all_s)
        return Spent(gpu_s, self._share)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._fd)

    def _totals(self, now_s: float) -> tuple[float, float] | None:
        """Seconds in all passes, and the GPU's; None while they change, or before the first."""
        data = os.pread(self._fd, _FIGURES.size, _PLACE)
        if len(data) < _FIGURES.size:
            return None
        changes, all_us, gpu_us, begin_us, share_ppm = _FIGURES.unpack(data)
        if changes % 2:
            return None
        under_way_s = max(0.0, now_s - begin_us * 1e-6) if begin_us else 0.0
        return all_us * 1e-6 + under_way_s, gpu_us * 1e-6 + under_way_s * share_ppm * 1e-6
