"""Files of a simulated board that change while others read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_WIDTH = 16  # bytes; every number fits, so that the length of a file does not change


class Gauge:
    """A file of one number, written in place at one width, padded with spaces.

    Readers may keep it open, as they keep files of sysfs open. So few bytes are copied at once in
    practice; replacing the file would cost both sides several times as much.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        self._shown: bytes | None = None

    def put(self, value: str) -> None:
        """Show `value`; costs nothing where it is shown already."""
        data = value.encode().ljust(_WIDTH - 1) + b"\n"
        if data == self._shown:
            return
        if self._fd < 0:
            self._create(data)
        else:
            os.pwrite(self._fd, data, 0)
        self._shown = data

    def taken(self) -> int | None:
        """The number that somebody else has put in the file since; None where nobody has."""
        if self._fd < 0:
            return None
        data = os.pread(self._fd, 64, 0)
        words = data.split()
        if data == self._shown or not words or not words[0].isdigit():
            return None
        self._shown = None  # so that the next `put` writes at full width
        return int(words[0])

    def withdraw(self) -> None:
        """Take the file away, also from those who hold it open."""
        self.close()
        self.path.unlink(missing_ok=True)

    def refuse(self) -> None:
        """Let every attempt to read the file fail with ENXIO."""
        if self._fd >= 0 or not self.path.is_socket():
            self.withdraw()
            os.mknod(self.path, stat.S_IFSOCK | 0o444)

    def close(self) -> None:
        """Close the file; the next `put` makes a new one."""
        fd, self._fd, self._shown = self._fd, -1, None
        if fd >= 0:
            os.close(fd)

    def _create(self, data: bytes) -> None:
        # Under another name first, so that nobody finds it empty.
        spare = self.path.with_name(f".{self.path.name}")
        self._fd = os.open(spare, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        os.pwrite(self._fd, data, 0)
        spare.replace(self.path)


class Report:
    """A file of several lines, replaced as a whole so that they belong together."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._spare = path.with_name(f".{path.name}")
        self._shown: str | None = None

    def put(self, text: str) -> None:
        """Show `text`, which ends in a newline."""
        if text == self._shown:
            return
        self._spare.write_text(text)
        self._spare.replace(self.path)
        self._shown = text

    def withdraw(self) -> None:
        """Take the file away."""
        self.path.unlink(missing_ok=True)
        self._shown = None

    def refuse(self) -> None:
        """Let every attempt to read the file fail with ENXIO."""
        if not self.path.is_socket():
            self.withdraw()
            os.mknod(self.path, stat.S_IFSOCK | 0o444)


def show(file: Gauge | Report, value: str, fault: str | None) -> None:
    """Show `value` in `file`, unless its sensor fails in the way of an `Event`."""
    if fault == "vanish":
        file.withdraw()
    elif fault == "storm":
        file.refuse()
    elif fault is None:
        file.put(value)
