"""The ledger's database: its tables and its version."""

from __future__ import annotations

from edge_rt.database.schema import Schema

_MADE = (  # columns of `answers` since version 2
    "mode TEXT",
    "partner TEXT",
    "small_tokens INTEGER",
    "large_tokens INTEGER",
    "switches INTEGER",
    "catch_up_tokens INTEGER",
    "accepted_tokens INTEGER",
    "rejected_tokens INTEGER",
)
_SAVED = "saved_j REAL"  # in `answers` since version 3
_HOURS = "CREATE TABLE hours (hour INTEGER PRIMARY KEY, energy_j REAL)"  # since version 4
_ANSWER_ID = "answer_id TEXT"  # in `answers` since version 5
_HITS = ("hits INTEGER DEFAULT 0", "saved_j REAL DEFAULT 0.0")  # in `models` since version 3

LEDGER = Schema(
    name="ledger",
    version=5,
    tables={
        "answers": f"""CREATE TABLE answers (
            id INTEGER PRIMARY KEY, ended REAL, model TEXT, status TEXT,
            prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER,
            seconds REAL, busy_s REAL, energy_j REAL, prefill_j REAL, decode_j REAL,
            quality TEXT, power_w REAL, temp_c REAL, {", ".join(_MADE)}, {_SAVED},
            {_ANSWER_ID})""",
        "days": """CREATE TABLE days (
            day TEXT PRIMARY KEY, quality TEXT, energy_j REAL, attributed_j REAL,
            covered_s REAL, missing_s REAL) WITHOUT ROWID""",
        "models": f"""CREATE TABLE models (
            day TEXT, model TEXT, requests INTEGER, unresolved INTEGER,
            prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER,
            busy_s REAL, energy_j REAL, {", ".join(_HITS)}, PRIMARY KEY (day, model)
            ) WITHOUT ROWID""",
        "hours": _HOURS,
    },
    later={
        1: [f"ALTER TABLE answers ADD COLUMN {column}" for column in _MADE],
        2: [
            f"ALTER TABLE answers ADD COLUMN {_SAVED}",
            *(f"ALTER TABLE models ADD COLUMN {column}" for column in _HITS),
        ],
        3: [_HOURS],
        4: [f"ALTER TABLE answers ADD COLUMN {_ANSWER_ID}"],
    },
    elsewhere="have ledger.path name another file",
)
