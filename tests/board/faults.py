"""File calls that fail on demand."""

from __future__ import annotations

import os
from pathlib import Path

from edge_rt.board.readers.base import BaseReader
from edge_rt.board.readers.sysfs import FileIo


class Faults:
    """`io` makes the real calls, but for reads of the paths in `errors` and `contents`.

    `errors` holds lists of error numbers, one for each coming read, None for a good one; the last
    one stays.
    """

    def __init__(self) -> None:
        self.errors: dict[Path, list[int | None]] = {}
        self.contents: dict[Path, bytes] = {}
        self.opened = 0
        self._paths: dict[int, Path] = {}
        self.io = FileIo(self._open, self._pread, self._linked, self._close)

    def held(self) -> set[Path]:
        """Return what is open now."""
        return set(self._paths.values())

    def _open(self, path: Path, flags: int) -> int:
        fd = os.open(path, flags)
        self.opened += 1
        self._paths[fd] = Path(path)
        return fd

    def _pread(self, fd: int, size: int, offset: int) -> bytes:
        path = self._paths[fd]
        coming = self.errors.get(path)
        error = None
        if coming:
            error = coming.pop(0) if len(coming) > 1 else coming[0]
        if error is not None:
            raise OSError(error, os.strerror(error))
        return self.contents.get(path) or os.pread(fd, size, offset)

    def _linked(self, fd: int) -> bool:
        return os.fstat(fd).st_nlink > 0

    def _close(self, fd: int) -> None:
        self._paths.pop(fd, None)
        os.close(fd)


def figures(reader: BaseReader) -> dict[tuple[str, str], float | None]:
    """One read of a reader, by name and kind."""
    values = reader.read()
    return {(c.name, c.kind): v for c, v in zip(reader.channels, values, strict=True)}
