"""Memory of the board, and the time that tasks stalled for want of CPU, memory or disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from edge_rt.board.readers.base import PENDING, BaseReader, Channel, nothing
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, HeldFile

_ROWS = (("cpu", b"some"), ("memory", b"some"), ("memory", b"full"), ("io", b"some"))


class Pressure(BaseReader):
    """The `fraction` of time that tasks stood still for want of CPU, memory or disk.

    "pressure memory some": at least one task, "... full": all of them, since the last read. From
    the kernel's pressure stall information, which some kernels are built without.
    """

    def __init__(
        self,
        proc: Path,
        period_s: float = 0.5,
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
        skipped = nothing(
            "pressure",
            f"no {folder}: the kernel counts no pressure; psi=1 among its parameters may help",
            channels,
        )
        super().__init__("pressure", channels, period_s, skipped)
        self._files = {what: HeldFile(folder / what, io, 256) for what, _ in self._rows}
        self._last: list[tuple[float, int] | None] = [None] * len(channels)
        self._clock = clock

    def close(self) -> None:
        """Close every file."""
        for file in self._files.values():
            file.close()

    def _read(self) -> None:
        for index, (what, key) in enumerate(self._rows):
            file = self._files[what]
            data = file.read()
            total = None if data is None else _stalled_us(data, key)
            now = self._clock()
            before = self._last[index]
            self._last[index] = None if total is None else (now, total)
            if total is None:
                self._fail(index, file.error or f"pressure/{what} has no total of {key.decode()}")
            elif before is None or now <= before[0]:
                self._fail(index, PENDING)
            else:
                share = (total - before[1]) * 1e-6 / (now - before[0])
                self._set(index, min(1.0, max(0.0, share)))


def _stalled_us(data: bytes, key: bytes) -> int | None:
    for line in data.splitlines():
        if line.startswith(key):
            total = line.partition(b"total=")[2].strip()
            return int(total) if total.isdigit() else None
    return None


_KEYS = (("memory available", b"MemAvailable:"), ("memory total", b"MemTotal:"))


class MemoryReader(BaseReader):
    """`bytes` that programs can still have and all there are.

    Named "memory available" and "memory total".
    """

    def __init__(self, proc: Path, period_s: float = 0.5, io: FileIo = FILE_IO) -> None:
        path = proc / "meminfo"
        names = [name for name, _ in _KEYS] if path.exists() else []
        channels = [Channel(name, "bytes", str(path)) for name in names]
        skipped = nothing("memory", f"no {path}", channels)
        super().__init__("memory", channels, period_s, skipped)
        self._file = HeldFile(path, io, 256)

    def close(self) -> None:
        """Close the file."""
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
