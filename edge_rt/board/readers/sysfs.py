"""Small files of sysfs and procfs, held open and read from their start each time."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

NOT_REGULAR = "not a regular file: a read might never return"

_GONE = frozenset((errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EBADF, errno.ESRCH))
_FLAGS = os.O_RDONLY | os.O_CLOEXEC


def open_regular(path: str | Path, flags: int = 0) -> int:
    """Open for reading, as `os.open`; raises OSError for a FIFO or device, without waiting for it.

    All attributes of sysfs and procfs are regular files.
    """
    fd = os.open(path, flags | _FLAGS | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, NOT_REGULAR)


def _linked(fd: int) -> bool:
    return os.fstat(fd).st_nlink > 0


@dataclass(frozen=True)
class FileIo:
    """The calls that a held file makes; a test gives its own."""

    open: Callable[[Path, int], int] = open_regular
    pread: Callable[[int, int, int], bytes] = os.pread
    linked: Callable[[int], bool] = _linked
    close: Callable[[int], None] = os.close


FILE_IO = FileIo()


class HeldFile:
    """One file; `read` and `number` give None and set `error` where there is nothing to read.

    The descriptor is opened anew when the device or file behind it went away (ENODEV and its
    like, or a file that was unlinked or replaced, as in a simulated tree). EAGAIN is tried twice.
    """

    __slots__ = ("_fd", "_io", "_size", "errno", "error", "path")

    def __init__(self, path: Path, io: FileIo = FILE_IO, size: int = 64) -> None:
        """`size` is the most bytes that are read."""
        self._fd = -1
        self.path = path
        self.error: str | None = None
        self.errno = 0  # of the last failure; 0 when there was none or the content was at fault
        self._io = io
        self._size = size

    def read(self) -> bytes | None:
        """Return the file's first bytes."""
        try:
            data = self._attempt()
        except OSError as error:
            data = self._again(error)
        if data is None:
            return None
        if not data:
            self.errno = 0
            self.error = f"{self.path.name} is empty"
            return None
        self.error = None
        return data

    def number(self, low: int, high: int) -> int | None:
        """Return the integer in the file; None where there is none, or none that can be.

        `low` and `high` are the least and greatest that can be.
        """
        data = self.read()
        if data is None:
            return None
        try:
            value = int(data)
        except ValueError:
            self.errno = 0
            self.error = f"{self.path.name} holds no number: {data[:20]!r}"
            return None
        if low <= value <= high:
            return value
        self.errno = 0
        self.error = f"{self.path.name} holds {value}, which cannot be"
        return None

    def close(self) -> None:
        """Close the descriptor; the next read opens it again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                self._io.close(fd)
            except OSError:
                return  # it is gone already

    def __del__(self) -> None:
        """Close the file: a reader that is dropped unclosed must not keep descriptors."""
        self.close()

    def _attempt(self) -> bytes:
        io = self._io
        if self._fd >= 0 and not io.linked(self._fd):
            self.close()
        if self._fd < 0:
            self._fd = io.open(self.path, _FLAGS)
        return io.pread(self._fd, self._size, 0)

    def _again(self, error: OSError) -> bytes | None:
        held = self._fd >= 0
        if error.errno in _GONE:
            self.close()
        if error.errno == errno.EAGAIN or (held and error.errno in _GONE):
            try:
                return self._attempt()
            except OSError as second:
                error = second
        return self._failed(error)

    def _failed(self, error: OSError) -> None:
        if error.errno in _GONE:
            self.close()
        self.errno = error.errno or 0
        name = errno.errorcode.get(self.errno, "OSError")
        self.error = f"{self.path.name}: {name} ({error.strerror or error})"


def first_line(path: Path) -> str | None:
    """Return the first line of a file that does not change, stripped.

    None where not readable or empty.
    """
    try:
        with open(path, encoding="utf-8", errors="replace", opener=open_regular) as file:
            return file.readline(256).strip().rstrip("\0") or None
    except OSError:
        return None


def first_integer(path: Path) -> int | None:
    """Return the number in a file that does not change; None where there is none."""
    line = first_line(path)
    try:
        return None if line is None else int(line)
    except ValueError:
        return None


def numbered(folder: Path, pattern: str) -> list[Path]:
    """Return the entries of `folder` that match, in the order of the numbers in their names.

    An empty list where the folder is missing or not readable.
    """
    try:
        found = list(folder.glob(pattern))
    except OSError:
        return []
    return sorted(found, key=lambda path: (_digits(path.name), path.name))


def _digits(name: str) -> tuple[int, ...]:
    words = "".join(c if c.isdigit() else " " for c in name).split()
    return tuple(int(word) for word in words)


def hwmon_devices(sysfs: Path, names: frozenset[str]) -> Iterator[tuple[str, Path]]:
    """Yield each hwmon folder whose `name` is one of `names`; their numbers change between boots.

    What is given is the folder behind the number: a number goes to another device once its own is
    removed, the folder belongs to one device only.
    """
    for folder in numbered(sysfs / "class" / "hwmon", "hwmon*"):
        name = first_line(folder / "name")
        if name is not None and name in names:
            yield name, folder.resolve()


def driver_devices(sysfs: Path, driver: str, pattern: str) -> list[Path]:
    """Folders `pattern` below the devices that an I2C driver owns."""
    return numbered(sysfs / "bus" / "i2c" / "drivers" / driver, f"*-*/{pattern}")


def bus_address(device: Path) -> str:
    """Return the "bus-address" name of the I2C device of a folder, such as "1-0040"."""
    for part in (device, *device.parents):
        bus, dash, address = part.name.partition("-")
        if dash and bus.isdigit() and len(address) == 4:
            return part.name
    real = Path(os.path.realpath(device / "device"))
    return real.name if "-" in real.name else device.name
