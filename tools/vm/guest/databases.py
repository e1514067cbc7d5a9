"""What lies in the daemon's databases, seen from outside of the daemon."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

STATE = Path("/var/lib/edge-rt")

Row = Sequence[object]

_ROWS = {
    "ledger.db": "SELECT id, ended, model, status, completion_tokens FROM answers",
    "cache.db": "SELECT hex(key), hex(digest) FROM kept",
}


def left(state: Path = STATE) -> dict[str, object]:
    """Read, from copies, what is there before the daemon has opened it: of each database how its
    check ends, its rows, and the names of databases that were moved aside.
    """
    found: dict[str, object] = {}
    for path in sorted(state.glob("*.db")):
        with tempfile.TemporaryDirectory() as scratch:
            for part in path.parent.glob(f"{path.name}*"):
                if part.name in (path.name, f"{path.name}-wal"):
                    shutil.copy(part, scratch)
            found[path.name] = _look(Path(scratch, path.name))
    aside = sorted(path.name for path in state.glob("*.corrupt-*"))
    return {"databases": found, "aside": aside}


def _look(path: Path) -> dict[str, object]:
    with closing(sqlite3.connect(path)) as db:
        try:
            checked = [word for (word,) in db.execute("PRAGMA integrity_check")]
            return {"check": checked, "rows": _rows(db, path.name)}
        except sqlite3.DatabaseError as error:
            return {"check": [str(error)], "rows": []}


def _rows(db: sqlite3.Connection, name: str) -> list[Row]:
    try:
        return list(db.execute(_ROWS[name])) if name in _ROWS else []
    except sqlite3.OperationalError:  # cut off before its tables were made
        return []


class Witness:
    """Reads beside the daemon what has been committed."""

    def __init__(self, state: Path = STATE) -> None:
        self._state = state
        self._seen: dict[str, set[Row]] = {name: set() for name in _ROWS}

    def news(self) -> dict[str, list[Row]]:
        """The rows that were not there before, by database."""
        found: dict[str, list[Row]] = {}
        for name, seen in self._seen.items():
            new = [row for row in self._committed(name) if row not in seen]
            seen.update(new)
            if new:
                found[name] = new
        return found

    def _committed(self, name: str) -> list[Row]:
        with suppress(sqlite3.OperationalError):  # the daemon has not begun it
            uri = f"file:{self._state / name}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=5)) as db:
                return _rows(db, name)
        return []
