"""A ledger of an earlier version goes on as one of the present one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from book_help import NOW, entry, new_book
from msgspec.structs import replace

from edge_rt.energy.ledger_records import HOUR_S

FIRST = """
CREATE TABLE answers (
    id INTEGER PRIMARY KEY, ended REAL, model TEXT, status TEXT,
    prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER,
    seconds REAL, busy_s REAL, energy_j REAL, prefill_j REAL, decode_j REAL,
    quality TEXT, power_w REAL, temp_c REAL);
CREATE TABLE days (
    day TEXT PRIMARY KEY, quality TEXT, energy_j REAL, attributed_j REAL,
    covered_s REAL, missing_s REAL) WITHOUT ROWID;
CREATE TABLE models (
    day TEXT, model TEXT, requests INTEGER, unresolved INTEGER,
    prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER,
    busy_s REAL, energy_j REAL, PRIMARY KEY (day, model)) WITHOUT ROWID;
INSERT INTO answers VALUES (1, {now}, 'm', 'done', 1, 0, 2, 2.0, 0.5, 0.25, 0.25, 0.0,
    'measured', 4.5, NULL);
PRAGMA user_version=1;
"""
SECOND = """
ALTER TABLE answers ADD COLUMN mode TEXT;
ALTER TABLE answers ADD COLUMN partner TEXT;
ALTER TABLE answers ADD COLUMN small_tokens INTEGER;
ALTER TABLE answers ADD COLUMN large_tokens INTEGER;
ALTER TABLE answers ADD COLUMN switches INTEGER;
ALTER TABLE answers ADD COLUMN catch_up_tokens INTEGER;
ALTER TABLE answers ADD COLUMN accepted_tokens INTEGER;
ALTER TABLE answers ADD COLUMN rejected_tokens INTEGER;
PRAGMA user_version=2;
"""
THIRD = """
ALTER TABLE answers ADD COLUMN saved_j REAL;
ALTER TABLE models ADD COLUMN hits INTEGER DEFAULT 0;
ALTER TABLE models ADD COLUMN saved_j REAL DEFAULT 0.0;
PRAGMA user_version=3;
"""


FOURTH = """
CREATE TABLE hours (hour INTEGER PRIMARY KEY, energy_j REAL);
PRAGMA user_version=4;
"""
SCRIPTS = [FIRST, SECOND, THIRD, FOURTH]


@pytest.mark.parametrize("script", ["".join(SCRIPTS[:n]) for n in range(1, 5)])
def test_a_ledger_of_an_earlier_version_is_kept(tmp_path: Path, script: str) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script.format(now=NOW))
    together = replace(
        entry(2),
        mode="switch:ead",
        partner="tiny",
        small_tokens=3,
        large_tokens=1,
        switches=2,
        catch_up_tokens=4,
        accepted_tokens=0,
        rejected_tokens=0,
        saved_j=0.5,
        answer_id="chatcmpl-7",
        status="cached",
    )
    book = new_book(path)
    book.book(together)
    book.measured(2.0, 0.0, 1.0, 0.0, "measured")
    book.close()
    assert [file.name for file in tmp_path.iterdir()] == ["ledger.db"]
    again = new_book(path)
    assert again.recent(5) == [together, entry(1)]
    assert [(total.hits, total.saved_j) for total in again.totals(1)[1]] == [(1, 0.5)]
    assert again.hour_j(int(NOW // HOUR_S)) == 2.0
    again.close()
