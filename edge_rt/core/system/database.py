"""SQLite files, their schemas, and what becomes of damaged ones."""

from __future__ import annotations

import sqlite3
import struct
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_rt.core.files import newer

PAGE = 4096  # bytes
_MOST_NEWER = 100  # versions: a larger number is damage
BUSY_S = 5.0  # how long another process may hold the file

_HEAD = struct.Struct(">18xBB x3B 20x I 8x I 12x 20s 8x")
"""Of a file's first 100 bytes those that have few values: its versions for writing and reading, the
shares of a page, the format of the schema, the encoding of texts, and a stretch of zeros; see
https://sqlite.org/fileformat2.html#the_database_header.
"""

LEAST_BYTES = 1 << 20  # of a file to work with
_SHM_PAGES = 8
_TRIES, _AGAIN_S = 10, 0.02  # for a -wal that another program empties at the same time


@dataclass(frozen=True)
class Schema:
    """Files of one `name`: the statements that make their tables, further ones, and their version.

    The version is in `user_version`. Only this user can read the files.

    Columns and tables that a file lacks are added and others left as they are, so another version
    is for what an older program could not go on with: it leaves such a file alone. A version below
    `oldest` cannot be used. `elsewhere` says what to do where another program's file is in the way.
    """

    name: str
    version: int
    tables: Mapping[str, str]
    further: Sequence[str] = ()
    oldest: int = 1
    elsewhere: str = "move it away"

    @property
    def mark(self) -> int:
        """The `application_id` of such files: they are known by it though all else is damaged."""
        return zlib.crc32(self.name.encode()) >> 1


def connect(path: Path, schema: Schema, checkpoint_pages: int) -> sqlite3.Connection:
    """Open the file for any thread, one at a time; begin it where there is none.

    Raises sqlite3.DatabaseError itself, and none of its subclasses, where the file is none that
    this version can use; a subclass or OSError where it cannot be had for now, or is the database
    of another program.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        _look_at_head(path)
    else:
        path.touch(0o600)  # which SQLite gives to the files beside it, too
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _look(db, schema)
        _set(db, checkpoint_pages)
        _check(db, schema)
    except BaseException:
        db.close()
        raise
    return db


def is_unfit(error: BaseException) -> bool:
    """Return whether the file is at fault and will not get better by itself.

    sqlite3 has subclasses for all else: what is busy, full, read-only or out of order.
    """
    return type(error) is sqlite3.DatabaseError


def _look_at_head(path: Path) -> None:
    """SQLite takes some damage there for a file that is read-only, or of a later SQLite."""
    with path.open("rb") as file:
        head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return  # it was just begun, or SQLite sees that it is none
    write, read, most, least, leaf, form, encoding, zeros = _HEAD.unpack(head)
    versions = {write, read} <= {1, 2} and form in range(5) and encoding in range(4)
    if not versions or (most, least, leaf) != (64, 32, 32) or any(zeros):
        raise sqlite3.DatabaseError("its head is damaged")


def _look(db: sqlite3.Connection, schema: Schema) -> None:
    """Change nothing in a file that was not made for this."""
    names = _names(db)
    if names and names.isdisjoint(schema.tables):
        if db.execute("PRAGMA application_id").fetchone() == (schema.mark,):
            raise sqlite3.DatabaseError("its tables are damaged")
        what = f"it is a database of another program: {schema.elsewhere}"
        raise sqlite3.NotSupportedError(what)
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if schema.version < version <= schema.version + _MOST_NEWER:
        raise sqlite3.NotSupportedError(newer(version, schema.version))


def _names(db: sqlite3.Connection) -> set[str]:
    try:
        return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    except UnicodeDecodeError as error:  # SQLite's message quotes the damaged bytes
        raise sqlite3.DatabaseError("its schema is damaged") from error


def _set(db: sqlite3.Connection, checkpoint_pages: int) -> None:
    db.execute(f"PRAGMA page_size={PAGE}")  # these two have effect on an empty file only
    db.execute("PRAGMA auto_vacuum=INCREMENTAL")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("PRAGMA cache_size=-256")  # KiB: the front's memory is small
    db.execute(f"PRAGMA wal_autocheckpoint={checkpoint_pages}")
    db.execute(f"PRAGMA journal_size_limit={checkpoint_pages * PAGE}")


def _check(db: sqlite3.Connection, schema: Schema) -> None:
    db.execute("BEGIN IMMEDIATE")  # two processes may begin the same file
    (version,) = db.execute("PRAGMA user_version").fetchone()
    names = _names(db)
    if version == 0 and not names:
        _run(db, [*schema.tables.values(), *schema.further])
    elif not 1 <= version <= schema.version or names.isdisjoint(schema.tables):
        raise sqlite3.DatabaseError(f"it is a database, but no {schema.name}")
    elif version < schema.oldest:
        raise sqlite3.DatabaseError(f"its version is {version}, which is no longer read")
    else:
        _complete(db, schema)
    if not _names(db).issuperset(schema.tables):
        raise sqlite3.DatabaseError(f"it is no whole {schema.name}")
    for pragma, value in (("user_version", schema.version), ("application_id", schema.mark)):
        if db.execute(f"PRAGMA {pragma}").fetchone() != (value,):
            db.execute(f"PRAGMA {pragma}={value}")
    db.execute("COMMIT")


def _complete(db: sqlite3.Connection, schema: Schema) -> None:
    """Add the tables and columns that a file of an older program lacks."""
    with closing(sqlite3.connect(":memory:")) as whole:
        _run(whole, schema.tables.values())
        for table, made_by in schema.tables.items():
            there = {column for column, *_ in _columns(db, table)}
            if not there:
                db.execute(made_by)
                continue
            for name, kind, default in _columns(whole, table):
                if name not in there:
                    told = "" if default is None else f" DEFAULT {default}"
                    db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}{told}")


def _columns(db: sqlite3.Connection, table: str) -> list[tuple[str, str, str | None]]:
    """Return the name, the type and the default of each column; none where there is no table."""
    rows = db.execute(f"PRAGMA table_info({table})").fetchall()
    return [(name, kind, default) for _, name, kind, _, default, _ in rows]


def _run(db: sqlite3.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        db.execute(statement)


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
        """The bytes of the file that are in use."""
        return self._used() * PAGE

    def in_place(self) -> bool:
        """Return whether the path still leads to this file: SQLite writes on into a deleted one."""
        try:
            return _inode(self._path) == self._inode
        except OSError:
            return False

    def close(self) -> None:
        """Let go of the file; the -wal goes into it."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """Do all of the block, or nothing."""
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
