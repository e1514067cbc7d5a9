"""Memory of the board: what programs can still have, and all there is."""

from __future__ import annotations

from pathlib import Path

from edge_rt.board.readers.base import BaseReader, Channel, nothing
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, HeldFile

_KEYS = (("memory available", b"MemAvailable:"), ("memory total", b"MemTotal:"))


class Memory(BaseReader):
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
