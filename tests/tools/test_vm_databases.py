"""What lies in the daemon's databases, as a guest sees it without disturbing the daemon."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from vm.guest.databases import Witness, left

from edge_rt.core.cached import Kept
from edge_rt.energy.ledger_tables import LEDGER
from edge_rt.generation.cache.tables import Tables as CacheTables

ROOM = 1 << 20


@pytest.fixture
def ledger(tmp_path: Path) -> sqlite3.Connection:
    """A ledger that is open, with one row."""
    db = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    for statement in LEDGER.tables.values():
        db.execute(statement)
    db.execute("INSERT INTO answers (id, ended, model, status) VALUES (1, 2.5, 'm', 'ok')")
    return db


def test_rows_are_told_once_and_only_when_committed(
    tmp_path: Path, ledger: sqlite3.Connection
) -> None:
    witness = Witness(tmp_path)
    assert witness.news() == {"ledger.db": [(1, 2.5, "m", "ok", None)]}
    ledger.execute("BEGIN")
    ledger.execute("INSERT INTO answers (id) VALUES (2)")
    assert witness.news() == {}
    ledger.execute("COMMIT")
    assert witness.news() == {"ledger.db": [(2, None, None, None, None)]}


def test_a_database_that_is_not_there_yet_has_no_rows(tmp_path: Path) -> None:
    assert Witness(tmp_path).news() == {}
    assert left(tmp_path) == {"databases": {}, "aside": []}


def test_what_is_left_is_read_and_stays_as_it_is(
    tmp_path: Path, ledger: sqlite3.Connection
) -> None:
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "router.db.corrupt-12").touch()
    found = left(tmp_path)
    assert found == {
        "databases": {"ledger.db": {"check": ["ok"], "rows": [(1, 2.5, "m", "ok", None)]}},
        "aside": ["router.db.corrupt-12"],
    }
    (tmp_path / "router.db.corrupt-12").unlink()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_answers_of_the_cache_are_rows_too(tmp_path: Path) -> None:
    tables = CacheTables(tmp_path / "cache.db", ROOM)
    tables.write(Kept(key=b"k", model="m", client="c", made=1.0, content=b"x"), 1.0)
    ((key, digest),) = Witness(tmp_path).news()["cache.db"]
    assert key == "6B"
    assert digest
    tables.close()


def test_a_damaged_database_is_told(tmp_path: Path, ledger: sqlite3.Connection) -> None:
    for number in range(2, 2000):
        ledger.execute("INSERT INTO answers (id, model) VALUES (?, 'model')", (number,))
    ledger.close()  # all of it is in the file now
    file = tmp_path / "ledger.db"
    content = bytearray(file.read_bytes())
    content[-8192:-4096] = b"\xff" * 4096
    file.write_bytes(content)
    databases = left(tmp_path)["databases"]
    assert isinstance(databases, dict)
    assert databases["ledger.db"]["check"] != ["ok"]
