"""A database's file as it comes and goes: opened when needed, replaced where it is unfit."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from edge_rt.core.logs import Trouble
from edge_rt.core.system.database import File, Schema, is_unfit

KEPT = 2
_HEADER = b"SQLite format 3\0"
log = logging.getLogger(__name__)
T = TypeVar("T")


def is_ours(path: Path) -> bool:
    """Return whether `path` may be moved: it is a database, at least by its name.

    Anything else is a file that somebody named by mistake. Raises OSError.
    """
    if not path.is_file():
        return False
    if path.suffix == ".db":
        return True
    with path.open("rb") as file:
        return file.read(len(_HEADER)) == _HEADER


def move_aside(path: Path, unix_s: float) -> Path:
    """Rename `path` to NAME.corrupt-UNIXTIME, its -wal with it, and keep the KEPT newest such.

    Returns the new name. Raises OSError where the directory cannot be written.
    """
    aside = path.with_name(f"{path.name}.corrupt-{int(unix_s)}")
    for tail in ("-wal", "-shm"):  # first: a new database must not find them
        if _beside(path, tail).exists():
            _beside(path, tail).replace(_beside(aside, tail))
    path.replace(aside)
    for old in _aside(path, but=aside)[KEPT - 1 :]:
        for tail in ("", "-wal", "-shm"):
            _beside(old, tail).unlink(missing_ok=True)
    return aside


def _aside(path: Path, but: Path) -> list[Path]:
    """Return the files that were moved aside before, the newest first by their names."""
    start = f"{path.name}.corrupt-"
    found = [
        (int(other.name[len(start) :]), other)
        for other in path.parent.iterdir()
        if other.name.startswith(start) and other.name[len(start) :].isdecimal() and other != but
    ]
    return [other for _, other in sorted(found, reverse=True)]


def _beside(path: Path, tail: str) -> Path:
    return path.with_name(path.name + tail)


FileT = TypeVar("FileT", bound=File)


class Storage(Generic[FileT]):
    """Opens a file when it is needed and works on it, for one thread at a time."""

    def __init__(
        self,
        path: Path,
        schema: Schema,
        open_: Callable[[], FileT],
        clock: Callable[[], float],
        without: str,
    ) -> None:
        """Prepare the file, opening nothing: `open_` does that. `clock` gives Unix seconds.

        `without` says what is so for as long as the file cannot be used.
        """
        self.path = path
        self.trouble = Trouble(log, without)
        self._schema = schema
        self._make = open_
        self._clock = clock
        self._file: FileT | None = None
        self._lock = threading.Lock()  # for the file

    def do(self, work: Callable[[FileT], T]) -> T:
        """Do it on the open file, and on a new one where that is unfit.

        Raises sqlite3.Error or OSError where the disk does not let it happen now, and where the
        file is unfit and not ours to move.
        """
        with self._lock:
            try:
                return work(self._open())
            except sqlite3.DatabaseError as error:
                if not is_unfit(error):
                    raise
                self._set_aside(error)
                return work(self._open())

    def attempt(self, work: Callable[[FileT], T], *, proves: bool = False) -> T | None:
        """`do` it; None where that fails, which is the file's trouble from then on.

        Where it succeeds the trouble is over if that `proves` it, as writing does.
        """
        try:
            done = self.do(work)
        except Exception as error:
            foreseen = isinstance(error, (sqlite3.Error, OSError))
            self.trouble.met(f"{self.path}: {error}", None if foreseen else error)
            return None
        if proves:
            self.trouble.over()
        return done

    def close(self) -> None:
        """Let go of the file; the next `do` opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            with suppress(sqlite3.Error):
                self._file.close()
        self._file = None

    def _open(self) -> FileT:
        if self._file is not None and not self._file.in_place():
            log.warning("%s is gone: a new %s is begun", self.path, self._schema.name)
            self._close()
        if self._file is None:
            if self.path.exists() and not self.path.is_file():
                raise OSError(f"it is no regular file: {self._schema.elsewhere}")
            self._file = self._make()
        return self._file

    def _set_aside(self, error: sqlite3.Error) -> None:
        self._close()
        if not is_ours(self.path):
            raise OSError(f"it is no database: {self._schema.elsewhere}") from error
        aside = move_aside(self.path, self._clock())
        name = self._schema.name
        log.error("%s is no %s (%s): moved to %s", self.path, name, error, aside.name)
