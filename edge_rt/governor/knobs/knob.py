"""What all knobs have in common, and knobs that are a number in a file of sysfs."""

from __future__ import annotations

import errno
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_rt.board.readers.sysfs import NOT_REGULAR, open_regular
from edge_rt.core.errors import EdgeError

Value = int | str
APART_S = 0.02
_READS = 25
STAND_S = 0.25  # after which a value that came is there to stay
GROUP = "edge-rt-knobs"  # may write what systemd/edge-rt.tmpfiles and 60-edge-rt.rules give to it
_GONE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO))


class KnobError(EdgeError, OSError):
    """A knob cannot be read or turned; the message names it and what to do."""


class KnobGone(KnobError):
    """What the knob belonged to is gone, such as a device that was removed."""


class KnobBusy(KnobError):
    """The knob cannot be turned now, but later."""


class Knob(ABC):
    """One setting. Every method raises KnobError; KnobGone where there is nothing any more."""

    name: str  # what the journal calls it: the path of its file, or another name that finds it
    lasting: bool = False  # whether the setting outlives a restart of the board

    @abstractmethod
    def read(self) -> Value:
        """Return the present value."""

    @abstractmethod
    def write(self, value: Value) -> None:
        """Set the value; `read` tells whether that had an effect."""

    def hidden(self) -> str | None:
        """Return why `read` does not show the last value set, such as throttling; None: it does."""
        return None


@dataclass(frozen=True)
class KnobTarget:
    """A knob and the value that it is to have."""

    knob: Knob
    value: Value


Pause = Callable[[float], None]


def steady(knob: Knob, pause: Pause) -> tuple[Value, str | None]:
    """Return the value of the knob once two readings agree, and why that may not be what was set.

    cpufreq updates scaling_max_freq in a work item, some milliseconds after a write or a change of
    the throttling (cpufreq_notifier_max in drivers/cpufreq/cpufreq.c of Linux), so one reading
    tells nothing for sure. Raises KnobBusy where no two readings agree.
    """
    before = _look(knob)
    for _ in range(_READS):
        pause(APART_S)
        now = _look(knob)
        if now == before:
            return now
        before = now
    raise KnobBusy(f"it does not stand still, now at {before[0]}; tried again later")


def settled(knob: Knob, wanted: Value, pause: Pause) -> tuple[Value, str | None]:
    """Return what `steady` does, once the knob says `wanted` or has had time to."""
    for _ in range(_READS):
        value, hidden = _look(knob)
        if value == wanted:
            return value, hidden
        pause(APART_S)
    return steady(knob, pause)


def stood(knob: Knob, wanted: Value, pause: Pause) -> tuple[Value, str | None]:
    """Return what `settled` does, for a value that the board may take back."""
    value, hidden = settled(knob, wanted, pause)
    if value != wanted:
        return value, hidden
    pause(STAND_S)
    return steady(knob, pause)


def _look(knob: Knob) -> tuple[Value, str | None]:
    before = knob.hidden()
    value = knob.read()
    return value, before or knob.hidden()


def read_number(path: Path) -> int:
    """Return the number that `path` begins with."""
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
    """Return the error for `path` that could not be `done`, with its remedy where there is one."""
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


class FileKnob(Knob):
    """A whole number in one file, in the file's own unit."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.path = path

    def read(self) -> int:
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
