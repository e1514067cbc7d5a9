"""Knobs that are a number in a file of sysfs."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from edge_rt.governor.knobs.knob import KnobError, KnobGone, Value

_GONE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO))


def read_number(path: Path) -> int:
    """The number that `path` begins with."""
    try:
        words = path.read_bytes().split()
    except OSError as error:
        raise failure(path, error, "read") from error
    try:
        return int(words[0])
    except (IndexError, ValueError):
        raise KnobError(f"{path} holds no number: {b' '.join(words)[:20]!r}") from None


def write_number(path: Path, value: int) -> None:
    """Put `value` into `path`, which has to be there."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(fd, b"%d\n" % value)
        finally:
            os.close(fd)
    except OSError as error:
        raise failure(path, error, "written") from error


def failure(path: Path, error: OSError, done: str) -> KnobError:
    """The error for `path` that could not be `done`, with its remedy where there is one."""
    if error.errno in _GONE:
        return KnobGone(f"{path} is gone ({error.strerror})")
    what = f"{path} cannot be {done} ({error.strerror or error})"
    if error.errno in (errno.EACCES, errno.EPERM):
        mode = "g+w" if done == "written" else "g+r"
        return KnobError(
            f"{what}: run the daemon as root, or give its group the right: "
            f"chgrp edge-rt {path} && chmod {mode} {path}"
        )
    if error.errno == errno.EROFS:
        return KnobError(
            f"{what}: the daemon's systemd unit must not have ProtectKernelTunables=yes, nor may "
            "its container show the file read-only"
        )
    return KnobError(what)


class FileKnob:
    """A whole number in one file, in the file's own unit."""

    lasting = False

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def read(self) -> int:
        """The number in the file."""
        return read_number(self._path)

    def write(self, value: Value) -> None:
        """Put a number into the file; kernels may round it to what they can do."""
        if not isinstance(value, int):
            raise KnobError(f"{self.name} takes a number, not {value!r}")
        write_number(self._path, value)

    def hidden(self) -> str | None:
        """What was set is what the file says."""
        return None
