"""What a database is to hold, and how its file is opened or begun."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PAGE = 4096  # bytes
BUSY_S = 5.0  # how long another process may hold the file


@dataclass(frozen=True)
class Schema:
    """Of the files of one `name`: by table the statement that makes it, further statements, and the
    version in `user_version`. What is `private` nobody but this user can read.

    `later` has by version the statements that make it the next one; a version without cannot be
    used. `elsewhere` says what to do where another program's file is in the way.
    """

    name: str
    version: int
    tables: Mapping[str, str]
    further: Sequence[str] = ()
    later: Mapping[int, Sequence[str]] = field(default_factory=dict[int, Sequence[str]])
    elsewhere: str = "move it away"
    private: bool = False


def connect(path: Path, schema: Schema, checkpoint_pages: int) -> sqlite3.Connection:
    """Open the file for any thread, one at a time; begin it where there is none.

    Raises sqlite3.DatabaseError itself, and none of its subclasses, where the file is none that
    this version can use; a subclass or OSError where it cannot be had for now, or is the database
    of another program.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if schema.private and not path.exists():
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
    """Whether the file is at fault and will not get better by itself.

    sqlite3 has subclasses for all else: what is busy, full, read-only or out of order.
    """
    return type(error) is sqlite3.DatabaseError


def _look(db: sqlite3.Connection, schema: Schema) -> None:
    """Change nothing in a file that was not made for this."""
    names = _names(db)
    if names and names.isdisjoint(schema.tables):
        what = f"it is a database of another program: {schema.elsewhere}"
        raise sqlite3.NotSupportedError(what)


def _names(db: sqlite3.Connection) -> set[str]:
    try:
        return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    except UnicodeDecodeError as error:  # of SQLite's complaint, which quotes what it has found
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
    elif version > schema.version:
        known = f"this program knows {schema.version}"
        raise sqlite3.DatabaseError(f"its version is {version}, and {known}")
    elif version < 1 or not names.issuperset(schema.tables):
        raise sqlite3.DatabaseError(f"it is a database, but no {schema.name}")
    elif version < schema.version:
        _renew(db, schema, version)
    if version != schema.version:
        db.execute(f"PRAGMA user_version={schema.version}")
    db.execute("COMMIT")


def _renew(db: sqlite3.Connection, schema: Schema, version: int) -> None:
    for old in range(version, schema.version):
        if old not in schema.later:
            raise sqlite3.DatabaseError(f"its version is {old}, which is no longer read")
        _run(db, schema.later[old])


def _run(db: sqlite3.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        db.execute(statement)
