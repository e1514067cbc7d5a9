"""What the tests of the ledger share: its lines and clocks."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from edge_rt.energy.ledger import Book
from edge_rt.energy.ledger_records import DAY_S, UsageRecord

NOW = 1_800_000_000.0  # 2027-01-15
TODAY = "2027-01-15"
MIB = 1 << 20


class Clock:
    """A wall clock and a monotonic one, which pass together or apart."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now
        self.ticks = 0.0

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.ticks

    def go_by(self, seconds: float) -> None:
        self.now += seconds
        self.ticks += seconds


def entry(
    number: int = 1,
    *,
    ended: float = NOW,
    model: str = "m",
    joules: bool = True,
    app: str | None = None,
) -> UsageRecord:
    """One request; joules are quarters, whose sums are exact in floating point."""
    return UsageRecord(
        ended=ended,
        model=model,
        status="done",
        prompt_tokens=number,
        cached_tokens=number // 2,
        completion_tokens=2 * number,
        seconds=2.0,
        busy_s=0.5 * number,
        energy_j=0.25 * number if joules else None,
        quality="measured" if joules else "unresolved",
        power_w=4.5,
        temp_c=None,
        app=app,
    )


def new_book(
    path: Path | None, clock: Clock | None = None, *, days: int = 30, max_bytes: int = 16 * MIB
) -> Book:
    """A ledger on clocks that stand."""
    clock = clock or Clock()
    return Book(path, days=days, max_bytes=max_bytes, clock=clock, monotonic=clock.monotonic)


def settle(book: Book, clock: Clock) -> None:
    """Let an hour and a bit pass, with its flushes."""
    book.flush()
    clock.go_by(3601.0)
    book.flush()


def sums_of_answers(path: Path) -> dict[tuple[str, str], tuple[int, int, float]]:
    """Requests, tokens and joules by day and model, added up from the single requests."""
    query = """SELECT date(ended, 'unixepoch'), model, count(*), sum(completion_tokens),
               total(energy_j) FROM answers GROUP BY 1, 2"""
    with closing(sqlite3.connect(path)) as db:
        return {(day, model): tuple(sums) for day, model, *sums in db.execute(query)}


def sums_of_models(path: Path) -> dict[tuple[str, str], tuple[int, int, float]]:
    """Return the same out of the totals."""
    query = "SELECT day, model, requests, completion_tokens, energy_j FROM models"
    with closing(sqlite3.connect(path)) as db:
        return {(day, model): tuple(sums) for day, model, *sums in db.execute(query)}


def days_ago(days: float) -> float:
    """So many days before NOW."""
    return NOW - days * DAY_S
