"""Knobs that are a number in a file of sysfs."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from edge_rt.board.readers.sysfs import NOT_REGULAR, open_regular
from edge_rt.governor.knobs.knob import KnobBusy, KnobError, KnobGone, Value

GROUP = "edge-rt-knobs"  # may write what systemd/edge-rt.tmpfiles and 60-edge-rt.rules give to it

_GONE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO))


def read_number(path: Path) -> int:
    """The number that `path` begins with."""
    try:
        with open(path, "rb", opener=open_regular) as file:
            words = file.read(256).split()
    except OSError as error:
        raise failure(path, error, "read") from error
    try:
        return int(words[0])
    except (IndexError, ValueError):
        raise KnobError(f"{path} holds no number: {b' '.join(words)[:20]!r}") from None


def write_number(path: Path, value: int) -> None:
    """Put `value` into `path`, which has to be there."""
    try:
        fd = _open(path, os.O_WRONLY | os.O_TRUNC)
        try:
            os.write(fd, b"%d\n" % value)
        finally:
            os.close(fd)
    except OSError as error:
        raise failure(path, error, "written") from error


def _open(path: Path, flags: int) -> int:
    """Open a regular file; raises OSError for a FIFO before opening it."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, NOT_REGULAR)
    return open_regular(path, flags)


def failure(path: Path, error: OSError, done: str) -> KnobError:
    """The error for `path` that could not be `done`, with its remedy where there is one."""
    if error.errno in _GONE:
        return KnobGone(f"{path} is gone ({error.strerror})")
    what = f"{path} cannot be {done} ({error.strerror or error})"
    if error.errno == errno.EBUSY:  # all cores of a cpufreq policy are offline
        return KnobBusy(f"{what}; tried again later")
    if error.errno in (errno.EACCES, errno.EPERM):
        mode = "g+w" if done == "written" else "g+r"
        return KnobError(
            f"{what}: run the daemon as root, or give one of its groups the right: "
            f"chgrp {GROUP} {path} && chmod {mode} {path}"
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
        self.path = path

    def read(self) -> int:
        """The number in the file."""
        return read_number(self.path)

    def write(self, value: Value) -> None:
        """Put a number into the file; kernels may round it to what they can do."""
        if not isinstance(value, int):
            raise KnobError(f"{self.name} takes a number, not {value!r}")
        write_number(self.path, value)

    def check_writable(self) -> None:
        """Raise what `write` would raise for the lack of a right; changes nothing."""
        try:
            os.close(_open(self.path, os.O_WRONLY))
        except OSError as error:
            raise failure(self.path, error, "written") from error

    def hidden(self) -> str | None:
        """What was set is what the file says."""
        return None
