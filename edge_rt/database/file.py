"""One SQLite file within its bounds, and what keeps it there."""

from __future__ import annotations

import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from edge_rt.database.schema import PAGE, Schema, connect

LEAST_BYTES = 1 << 20  # of a file to work with

_SHM_PAGES = 8
_TRIES, _AGAIN_S = 10, 0.02  # for a -wal that another program empties at the same time


class File(ABC):
    """An open file of at most `max_bytes`, with its -wal and -shm; for one thread at a time.

    Each method, the constructor too, raises sqlite3.Error or OSError; nothing of a write is kept
    then. For sqlite3.DatabaseError itself see `schema.is_unfit`.
    """

    def __init__(self, path: Path, schema: Schema, max_bytes: int, transaction_pages: int) -> None:
        """`transaction_pages` is what one transaction writes at most, with room to spare."""
        pages = max_bytes // PAGE
        self._checkpoint_pages = min(256, pages // 8)
        self._transaction_pages = transaction_pages
        wal_pages = 2 * self._checkpoint_pages + transaction_pages
        self._limit = pages - wal_pages - _SHM_PAGES
        self._path = path
        self._wal = Path(f"{path}-wal")
        self._db = connect(path, schema, self._checkpoint_pages)
        try:
            self._inode = _inode(path)
            self.shrink()
        except BaseException:
            self._db.close()
            raise

    @abstractmethod
    def drop_some(self) -> bool:
        """Delete a few of those rows that may go first; False where there are none."""

    @property
    def used_bytes(self) -> int:
        """Of the file, without what is free in it."""
        return self._used() * PAGE

    def in_place(self) -> bool:
        """Whether the path still leads to this file: SQLite writes on into a deleted one."""
        try:
            return _inode(self._path) == self._inode
        except OSError:
            return False

    def close(self) -> None:
        """Let go of the file; the -wal goes into it."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """All that is done in the block, or nothing."""
        if self._db.in_transaction:  # the disk failed a rollback, too
            self._db.execute("ROLLBACK")
        self._bound_wal()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def make_room(self, bytes_: int) -> None:
        """Drop rows until so much more can be written."""
        self._free(self._limit - bytes_ // PAGE - 8)

    def shrink(self) -> None:
        """Drop rows, and give their space back, where the limit is less than it was."""
        self._free(self._limit)
        self.give_back(self._limit)

    def give_back(self, pages: int = 0) -> None:
        """Give free space back as long as the file has more than so many pages."""
        step = self._transaction_pages // 2
        while self._number("page_count") > pages and (free := self._number("freelist_count")):
            with self.transaction():
                self._db.execute(f"PRAGMA incremental_vacuum({step})").fetchall()
            if self._number("freelist_count") >= free:
                return  # another program frees pages, or the count is wrong

    def _free(self, limit: int) -> None:
        while self._used() > limit:
            if not self.drop_some():
                return

    def _bound_wal(self) -> None:
        """Empty a -wal that has outgrown its part, which happens while others read the file."""
        try:
            size = self._wal.stat().st_size
        except FileNotFoundError:
            return
        if size <= 2 * self._checkpoint_pages * PAGE:
            return
        for _ in range(_TRIES):
            (busy, *_) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return
            time.sleep(_AGAIN_S)  # SQLite itself does not wait for another's checkpoint
        raise sqlite3.OperationalError("its -wal is full while another program reads it")

    def _used(self) -> int:
        pages, free = self._number("page_count"), self._number("freelist_count")
        if not 0 <= free <= pages:
            raise sqlite3.DatabaseError("its count of free pages is damaged")
        return pages - free

    def _number(self, pragma: str) -> int:
        return self._db.execute(f"PRAGMA {pragma}").fetchone()[0]


def _inode(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
