"""The ledger in its file: writes in one transaction, reads, and what keeps it small."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from edge_rt.energy.entry import DAY_S, Day, Entry, ModelDay
from edge_rt.energy.pending import Pending
from edge_rt.energy.schema import PAGE, connect

LEAST_BYTES = 1 << 20
DATED_FROM = 1_735_689_600  # 2025-01-01: a clock that says less is wrong

_SLICE = 256  # requests deleted at a time; in WAL mode even a freed page is written once
_TRANSACTION_PAGES = 64  # what 1,000 requests and their sums take, with room to spare
_SHM_PAGES = 8


class Tables:
    """An open file of at most `max_bytes`, with its -wal and -shm; for one thread at a time.

    Each method, the constructor too, raises sqlite3.Error or OSError; nothing of a write is kept
    then. For sqlite3.DatabaseError itself see `schema.is_unfit`.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        pages = max_bytes // PAGE
        self._checkpoint_pages = min(256, pages // 8)
        wal_pages = 2 * self._checkpoint_pages + _TRANSACTION_PAGES
        self._limit = pages - wal_pages - _SHM_PAGES
        self._path = path
        self._wal = Path(f"{path}-wal")
        self._db = connect(path, self._checkpoint_pages)
        try:
            self._inode = _inode(path)
            self._shrink()
        except BaseException:
            self._db.close()
            raise

    def in_place(self) -> bool:
        """Whether the path still leads to this file: SQLite writes on into a deleted one."""
        try:
            return _inode(self._path) == self._inode
        except OSError:
            return False

    def write(self, batch: Pending) -> None:
        """Add requests and sums, all or nothing; the oldest requests make room where they must."""
        if not (batch.entries or batch.days or batch.models):
            return
        self._make_room(batch)
        with self._transaction():
            self._insert("answers (" + _COLUMNS + ")", *map(_row, batch.entries))
            self._insert("days", *(self._day(day) for day in batch.days.values()))
            self._insert("models", *(self._model(model) for model in batch.models.values()))

    def prune(self, now: float, days: int) -> None:
        """Delete requests that ended more than `days` before `now`, in the order of booking.

        A date is believed if it lies between DATED_FROM and tomorrow. Requests whose date is not
        go and stay with those booked around them: they are deleted once a later one is old, and
        nothing is deleted that was booked after one that is young.
        """
        cutoff = now - days * DAY_S
        young = self._id("WHERE ended BETWEEN ? AND ? ORDER BY id", cutoff, now + DAY_S)
        old = self._id(
            "WHERE ended >= ? AND ended < ? AND id < ? ORDER BY id DESC",
            DATED_FROM,
            cutoff,
            young or 1 << 62,
        )
        while old is not None and self._drop(old):
            pass

    def totals(self, days: int) -> tuple[list[Day], list[ModelDay]]:
        """All sums of the newest `days` days that are on record, in no order."""
        newest = "(SELECT day FROM days UNION SELECT day FROM models ORDER BY day DESC LIMIT ?)"
        found = self._db.execute(f"SELECT * FROM days WHERE day IN {newest}", (days,)).fetchall()
        models = self._db.execute(f"SELECT * FROM models WHERE day IN {newest}", (days,)).fetchall()
        return [Day(*row) for row in found], [ModelDay(*row) for row in models]

    def recent(self, count: int) -> list[Entry]:
        """The last `count` requests, newest first."""
        query = f"SELECT {_COLUMNS} FROM answers ORDER BY id DESC LIMIT ?"
        return [Entry(*row) for row in self._db.execute(query, (count,)).fetchall()]

    def close(self) -> None:
        """Let go of the file; the -wal goes into it."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Generator[None, None, None]:
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

    def _insert(self, table: str, *rows: tuple[object, ...]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)

    def _day(self, more: Day) -> tuple[object, ...]:
        row = self._db.execute("SELECT * FROM days WHERE day = ?", (more.day,)).fetchone()
        return _row(more if row is None else Day(*row).plus(more))

    def _model(self, more: ModelDay) -> tuple[object, ...]:
        query = "SELECT * FROM models WHERE day = ? AND model = ?"
        row = self._db.execute(query, (more.day, more.model)).fetchone()
        return _row(more if row is None else ModelDay(*row).plus(more))

    def _make_room(self, batch: Pending) -> None:
        bytes_ = sum(
            168 + len(entry.model) + len(entry.mode or "") + len(entry.partner or "")
            for entry in batch.entries
        )
        self._free(self._limit - bytes_ // PAGE - 8)

    def _shrink(self) -> None:
        """Give space back, where the limit is less than it was."""
        self._free(self._limit)
        while self._number("page_count") > self._limit and self._number("freelist_count"):
            with self._transaction():
                self._db.execute(f"PRAGMA incremental_vacuum({_TRANSACTION_PAGES // 2})").fetchall()

    def _free(self, limit: int) -> None:
        while self._number("page_count") - self._number("freelist_count") > limit:
            if not self._drop(1 << 62):
                return

    def _drop(self, until: int) -> bool:
        """Delete a slice of the oldest requests up to `until`; False where there are none."""
        ids = f"SELECT id FROM answers WHERE id <= ? ORDER BY id LIMIT {_SLICE}"
        with self._transaction():
            return (
                self._db.execute(f"DELETE FROM answers WHERE id IN ({ids})", (until,)).rowcount > 0
            )

    def _bound_wal(self) -> None:
        """Empty a -wal that has outgrown its part, which happens while others read the file."""
        try:
            size = self._wal.stat().st_size
        except FileNotFoundError:
            return
        if size <= 2 * self._checkpoint_pages * PAGE:
            return
        (busy, *_) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("its -wal is full while another program reads it")

    def _id(self, where: str, *values: float) -> int | None:
        row = self._db.execute(f"SELECT id FROM answers {where} LIMIT 1", values).fetchone()
        return None if row is None else row[0]

    def _number(self, pragma: str) -> int:
        return self._db.execute(f"PRAGMA {pragma}").fetchone()[0]


_COLUMNS = ", ".join(Entry.__struct_fields__)


def _row(line: Entry | Day | ModelDay) -> tuple[object, ...]:
    return tuple(getattr(line, name) for name in line.__struct_fields__)


def _inode(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
