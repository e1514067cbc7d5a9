"""The ledger's database: its tables, its version and how a file is opened or begun."""

from __future__ import annotations

import sqlite3
from pathlib import Path

VERSION = 2  # in `PRAGMA user_version`
PAGE = 4096  # bytes
BUSY_S = 5.0  # how long another process may hold the file

_SECOND = (  # columns of `answers` since version 2
    "mode TEXT",
    "partner TEXT",
    "small_tokens INTEGER",
    "large_tokens INTEGER",
    "switches INTEGER",
    "catch_up_tokens INTEGER",
    "accepted_tokens INTEGER",
    "rejected_tokens INTEGER",
)
_TABLES = {
    "answers": f"""CREATE TABLE answers (
        id INTEGER PRIMARY KEY, ended REAL, model TEXT, status TEXT,
        prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER,
        seconds REAL, busy_s REAL, energy_j REAL, prefill_j REAL, decode_j REAL,
        quality TEXT, power_w REAL, temp_c REAL, {", ".join(_SECOND)})""",
    "days": """CREATE TABLE days (
        day TEXT PRIMARY KEY, quality TEXT, energy_j REAL, attributed_j REAL,
        covered_s REAL, missing_s REAL) WITHOUT ROWID""",
    "models": """CREATE TABLE models (
        day TEXT, model TEXT, requests INTEGER, unresolved INTEGER,
        prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER,
        busy_s REAL, energy_j REAL, PRIMARY KEY (day, model)) WITHOUT ROWID""",
}


def connect(path: Path, checkpoint_pages: int) -> sqlite3.Connection:
    """Open the file for any thread, one at a time; begin it where there is none.

    Raises sqlite3.DatabaseError itself, and none of its subclasses, where the file is no ledger
    that this version can use; a subclass or OSError where it cannot be had for now, or is the
    database of another program.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _look(db)
        _set(db, checkpoint_pages)
        _check(db)
    except BaseException:
        db.close()
        raise
    return db


def is_unfit(error: BaseException) -> bool:
    """Whether the file is at fault and will not get better by itself.

    sqlite3 has subclasses for all else: what is busy, full, read-only or out of order.
    """
    return type(error) is sqlite3.DatabaseError


def _look(db: sqlite3.Connection) -> None:
    """Change nothing in a file that was not made for this."""
    names = _names(db)
    if names and names.isdisjoint(_TABLES):
        what = "it is a database of another program: have ledger.path name another file"
        raise sqlite3.NotSupportedError(what)


def _names(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}


def _set(db: sqlite3.Connection, checkpoint_pages: int) -> None:
    db.execute(f"PRAGMA page_size={PAGE}")  # these two have effect on an empty file only
    db.execute("PRAGMA auto_vacuum=INCREMENTAL")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("PRAGMA cache_size=-256")  # KiB: the front's memory is small
    db.execute(f"PRAGMA wal_autocheckpoint={checkpoint_pages}")
    db.execute(f"PRAGMA journal_size_limit={checkpoint_pages * PAGE}")


def _check(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")  # two processes may begin the same file
    (version,) = db.execute("PRAGMA user_version").fetchone()
    names = _names(db)
    if version == 0 and not names:
        for statement in _TABLES.values():
            db.execute(statement)
        db.execute(f"PRAGMA user_version={VERSION}")
    elif version > VERSION:
        raise sqlite3.DatabaseError(f"its version is {version}, and this program knows {VERSION}")
    elif version not in (1, VERSION) or not names.issuperset(_TABLES):
        raise sqlite3.DatabaseError("it is a database, but no ledger")
    elif version == 1:
        for column in _SECOND:
            db.execute(f"ALTER TABLE answers ADD COLUMN {column}")
        db.execute(f"PRAGMA user_version={VERSION}")
    db.execute("COMMIT")
