"""The folder of all beginnings, as whoever may wait for the disk uses it."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edge_rt.engine.kv.prefix_file import Head, Whole, draft_of, look, read, write

log = logging.getLogger(__name__)

SPARE_BYTES = 128 << 20  # of the disk are left to others
_SUFFIX = ".prefix"


class State(NamedTuple):
    """What a model made of a text, and of which."""

    head: Head
    state: bytearray


class PrefixFolder:
    """Files by the names of their heads. What is no whole file is deleted when it is met.

    What cannot be deleted is not used: somebody may have wanted it to be forgotten.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def scan(self) -> list[Whole]:
        """All there is, but for what a kill left half written. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _may_change(self.path):
            raise PermissionError(errno.EACCES, "nothing can be deleted there", str(self.path))
        found: list[Whole] = []
        for file in self.path.iterdir():
            if file.name.startswith(".") and file.name.endswith(draft_of(Path(_SUFFIX)).name[1:]):
                _remove(file)
            elif file.suffix == _SUFFIX and _may_change(file):
                whole = _look(file)
                if whole is not None and self._of(whole.head.name) == file:
                    found.append(whole)
                else:
                    self._damaged(file)
        return found

    def write(self, head: Head, state: bytes | bytearray) -> int:
        """Keep a state; the bytes of its file. Raises OSError, also where the disk is to be left
        to others.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if shutil.disk_usage(self.path).free < len(state) + SPARE_BYTES:
            raise OSError(errno.ENOSPC, "the disk is all but full", str(self.path))
        return write(self._of(head.name), head, state)

    def read(self, name: str) -> State | None:
        """The state of that name; None where it is not there any more. Raises OSError."""
        file = self._of(name)
        try:
            found = read(file)
        except FileNotFoundError:
            return None
        if found is None or found[0].name != name:
            self._damaged(file)
            return None
        return State(*found)

    def byte_s(self, name: str, clock: Callable[[], float]) -> float | None:
        """Seconds that a byte of that file takes to come from the disk; None where that fails."""
        file = self._of(name)
        try:
            with file.open("rb") as held:
                os.fsync(held.fileno())
                os.posix_fadvise(held.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            begin = clock()
            found = read(file)
        except OSError:
            return None
        return None if found is None else (clock() - begin) / len(found[1])

    def use(self, name: str, now: float) -> None:
        """Note when it was used last, in Unix seconds, as far as the disk lets that be noted."""
        with suppress(OSError):
            os.utime(self._of(name), (now, now))

    def delete(self, name: str) -> bool:
        """Delete what is there of that name, and whether there was anything. Raises OSError."""
        file = self._of(name)
        try:
            file.unlink()
        except FileNotFoundError:
            return False
        except OSError:
            os.truncate(file, 0)  # the name stays, and nothing of what was said
        return True

    def _of(self, name: str) -> Path:
        return self.path / f"{name}{_SUFFIX}"

    def _damaged(self, file: Path) -> None:
        log.warning("%s is damaged: it is deleted", file)
        _remove(file)


def _may_change(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=True)


def _look(file: Path) -> Whole | None:
    with suppress(OSError):
        return look(file)
    return None


def _remove(file: Path) -> None:
    with suppress(OSError):  # it is met again
        file.unlink()
