"""The ledger in its file: writes in one transaction, reads, and what keeps it small."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import astuple

from edge_rt.core.reports.board import AppTotal, ModelTotal
from edge_rt.core.system.database import File, Schema
from edge_rt.energy.ledger_records import (
    DAY_S,
    HOUR_S,
    Day,
    Pending,
    Total,
    UsageRecord,
    sum_of,
)

LEDGER = Schema(
    name="ledger",
    version=5,
    tables={
        "answers": """CREATE TABLE answers (
            id INTEGER PRIMARY KEY, ended REAL, model TEXT, status TEXT,
            prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER,
            seconds REAL, busy_s REAL, energy_j REAL, prefill_j REAL, decode_j REAL,
            quality TEXT, power_w REAL, temp_c REAL, mode TEXT, partner TEXT,
            small_tokens INTEGER, large_tokens INTEGER, switches INTEGER, catch_up_tokens INTEGER,
            accepted_tokens INTEGER, rejected_tokens INTEGER, saved_j REAL, answer_id TEXT,
            app TEXT)""",
        "days": """CREATE TABLE days (
            day TEXT PRIMARY KEY, quality TEXT, energy_j REAL, attributed_j REAL,
            covered_s REAL, missing_s REAL, idle_j REAL DEFAULT 0.0) WITHOUT ROWID""",
        "models": """CREATE TABLE models (
            day TEXT, model TEXT, requests INTEGER, unresolved INTEGER,
            prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER,
            busy_s REAL, energy_j REAL, hits INTEGER DEFAULT 0,
            saved_j REAL DEFAULT 0.0, PRIMARY KEY (day, model)) WITHOUT ROWID""",
        "apps": """CREATE TABLE apps (
            day TEXT, app TEXT, requests INTEGER, unresolved INTEGER, tokens INTEGER,
            energy_j REAL, PRIMARY KEY (day, app)) WITHOUT ROWID""",
        "hours": "CREATE TABLE hours (hour INTEGER PRIMARY KEY, energy_j REAL)",
    },
    elsewhere="have ledger.path name another file",
)


HOURS = 48  # that are kept, before the present one and after it
DATED_FROM = 1_735_689_600  # 2025-01-01: a clock that says less is wrong

_SLICE = 256  # requests deleted at a time; in WAL mode even a freed page is written once
_TRANSACTION_PAGES = 64  # what 1,000 requests and their sums take, with room to spare
_ANSWER, _DAY, _MODEL, _APP = (
    ", ".join(kind.__struct_fields__) for kind in (UsageRecord, Day, ModelTotal, AppTotal)
)


class LedgerTables(File):
    """The tables of the ledger; where there is no room, the oldest requests are deleted."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        super().__init__(path, LEDGER, max_bytes, _TRANSACTION_PAGES)

    def write(self, batch: Pending) -> None:
        """Add requests and sums, all or nothing; the oldest requests make room where they must."""
        if not (batch.entries or batch.days or batch.models or batch.apps):
            return
        self.make_room(sum(map(_size, batch.entries)))
        with self.transaction():
            self._insert(f"answers ({_ANSWER})", *map(astuple, batch.entries))
            self._insert(f"days ({_DAY})", *(self._day(day) for day in batch.days.values()))
            models = (self._sum(f"{_MODEL} FROM models", each) for each in batch.models.values())
            self._insert(f"models ({_MODEL})", *models)
            apps = (self._sum(f"{_APP} FROM apps", each) for each in batch.apps.values())
            self._insert(f"apps ({_APP})", *apps)
            sums = ((n, energy_j + self.hour_j(n)) for n, energy_j in batch.hours.items())
            self._insert("hours (hour, energy_j)", *sums)

    def prune(self, now: float, days: int) -> None:
        """Delete requests that ended more than `days` before `now`, in the order of booking.

        Hours that are far from `now` go, too.

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
        with self.transaction():
            self._db.execute("DELETE FROM hours WHERE ABS(hour - ?) > ?", (now // HOUR_S, HOURS))

    def totals(self, days: int) -> tuple[list[Day], list[ModelTotal]]:
        """Return all sums of the newest `days` days that are on record, in no order."""
        newest = "(SELECT day FROM days UNION SELECT day FROM models ORDER BY day DESC LIMIT ?)"
        found = self._db.execute(f"SELECT {_DAY} FROM days WHERE day IN {newest}", (days,))
        sums = [Day(*row) for row in found.fetchall()]
        found = self._db.execute(f"SELECT {_MODEL} FROM models WHERE day IN {newest}", (days,))
        return sums, [ModelTotal(*row) for row in found.fetchall()]

    def apps(self, since: str) -> list[AppTotal]:
        """Return the sums of applications of that day and later ones, in no order."""
        found = self._db.execute(f"SELECT {_APP} FROM apps WHERE day >= ?", (since,))
        return [AppTotal(*row) for row in found.fetchall()]

    def app_j(self, since: float) -> dict[str, float]:
        """Return the known joules of each application's requests that ended after `since`."""
        query = "SELECT app, TOTAL(energy_j) FROM answers WHERE ended >= ? GROUP BY app"
        return {app: energy_j for app, energy_j in self._db.execute(query, (since,)) if app}

    def hour_j(self, number: int) -> float:
        """Return the supply's joules of an hour, as far as they are on record."""
        query = "SELECT energy_j FROM hours WHERE hour = ?"
        row = self._db.execute(query, (number,)).fetchone()
        return 0.0 if row is None else row[0]

    def recent(self, count: int) -> list[UsageRecord]:
        """Return the last `count` requests, newest first."""
        query = f"SELECT {_ANSWER} FROM answers ORDER BY id DESC LIMIT ?"
        return [UsageRecord(*row) for row in self._db.execute(query, (count,)).fetchall()]

    def drop_some(self) -> bool:
        """Delete a slice of the oldest requests; False where there are none."""
        return self._drop(1 << 62)

    def _insert(self, table: str, *rows: tuple[object, ...]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)

    def _day(self, more: Day) -> tuple[object, ...]:
        row = self._db.execute(f"SELECT {_DAY} FROM days WHERE day = ?", (more.day,)).fetchone()
        return astuple(more if row is None else Day(*row).plus(more))

    def _sum(self, table: str, more: Total) -> tuple[object, ...]:
        """Return a total with what `table` has of the same day and name."""
        query = f"SELECT {table} WHERE day = ? AND {more.__struct_fields__[1]} = ?"
        row = self._db.execute(query, astuple(more)[:2]).fetchone()
        return astuple(more if row is None else sum_of(type(more)(*row), more))

    def _drop(self, until: int) -> bool:
        """Delete a slice of the oldest requests up to `until`; False where there are none."""
        ids = f"SELECT id FROM answers WHERE id <= ? ORDER BY id LIMIT {_SLICE}"
        with self.transaction():
            return (
                self._db.execute(f"DELETE FROM answers WHERE id IN ({ids})", (until,)).rowcount > 0
            )

    def _id(self, where: str, *values: float) -> int | None:
        row = self._db.execute(f"SELECT id FROM answers {where} LIMIT 1", values).fetchone()
        return None if row is None else row[0]


def _size(entry: UsageRecord) -> int:
    """Return the size of a request in the file, in bytes."""
    texts = (entry.model, entry.mode, entry.partner, entry.answer_id, entry.app)
    return 168 + sum(len(text or "") for text in texts)
