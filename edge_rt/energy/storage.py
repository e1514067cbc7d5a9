"""The ledger's file as it comes and goes: opened when needed, replaced where it is unfit."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from edge_rt.energy.aside import is_ours, move_aside
from edge_rt.energy.schema import is_unfit
from edge_rt.energy.tables import Tables

log = logging.getLogger(__name__)

T = TypeVar("T")


class Storage:
    """Has something done on the open file; for one thread at a time."""

    def __init__(self, path: Path, max_bytes: int, clock: Callable[[], float]) -> None:
        """Opens nothing yet."""
        self.path = path
        self._max_bytes = max_bytes
        self._clock = clock
        self._tables: Tables | None = None

    def do(self, work: Callable[[Tables], T]) -> T:
        """Do it on the open file, and on a new one where that is unfit.

        Raises sqlite3.Error or OSError where the disk does not let it happen now, and where the
        file is unfit and not ours to move.
        """
        try:
            return work(self._open())
        except sqlite3.DatabaseError as error:
            if not is_unfit(error):
                raise
            self._set_aside(error)
            return work(self._open())

    def close(self) -> None:
        """Let go of the file; the next `do` opens it again."""
        if self._tables is not None:
            with suppress(sqlite3.Error):
                self._tables.close()
        self._tables = None

    def _open(self) -> Tables:
        if self._tables is not None and not self._tables.in_place():
            log.warning("%s is gone: a new ledger is begun", self.path)
            self.close()
        if self._tables is None:
            if self.path.exists() and not self.path.is_file():
                raise OSError("it is no regular file: have ledger.path name another")
            self._tables = Tables(self.path, self._max_bytes)
        return self._tables

    def _set_aside(self, error: sqlite3.Error) -> None:
        self.close()
        if not is_ours(self.path):
            raise OSError("it is no database: have ledger.path name another file") from error
        aside = move_aside(self.path, self._clock())
        log.warning("%s is no ledger (%s): moved to %s", self.path, error, aside.name)
