"""Single requests go when they are old or too many; sums stay."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from book_help import MIB, NOW, TODAY, Clock, days_ago, entry, new_book, settle
from disk_help import bytes_of

from edge_rt.energy.ledger import JUMP_S, SETTLED_S, Book, SteadyClock
from edge_rt.energy.ledger_records import DAY_S, HOUR_S
from edge_rt.energy.ledger_tables import HOURS


def numbers(book: Book) -> list[int]:
    """Of the requests that are left, in the order of booking."""
    return [line.prompt_tokens for line in reversed(book.recent(10**6))]


def booked(path: Path, ends: list[float], clock: Clock) -> Book:
    book = new_book(path, clock)
    for number, ended in enumerate(ends):
        book.book(entry(number, ended=ended))
    return book


def test_old_requests_go_and_their_sums_stay(tmp_path: Path) -> None:
    clock = Clock()
    book = booked(tmp_path / "l.db", [days_ago(days) for days in (40, 31, 29, 0)], clock)
    before = book.totals(100)
    settle(book, clock)
    assert numbers(book) == [2, 3]
    assert book.totals(100) == before
    book.close()


def test_thousands_of_old_requests_go(tmp_path: Path) -> None:
    clock = Clock()
    book = booked(tmp_path / "l.db", [days_ago(40)] * 900 + [NOW], clock)
    settle(book, clock)
    assert numbers(book) == [900]
    book.close()


def test_hours_that_are_long_past_go(tmp_path: Path) -> None:
    clock = Clock()
    book, hour = new_book(tmp_path / "l.db", clock), int(NOW // HOUR_S)
    for _ in range(100):
        book.measured(1.0, 0.0, 1.0, 0.0, "measured")
        clock.go_by(HOUR_S)
        book.flush(everything=True)
    left = [n for n in range(101) if book.hour_j(hour + n)]
    assert left == list(range(left[0], 100))
    assert HOURS <= len(left) <= HOURS + 2
    assert sum(day.energy_j for day in book.totals(9)[0]) == 100.0
    book.close()


def test_days_pass_on_a_running_board(tmp_path: Path) -> None:
    clock = Clock()
    book = new_book(tmp_path / "l.db", clock, days=2)
    for number in range(24 * 5):
        book.book(entry(number, ended=clock()))
        clock.go_by(3600.0)
        book.flush()
    left = numbers(book)
    assert left == list(range(left[0], 120))
    assert 48 <= len(left) <= 50
    assert sum(total.requests for total in book.totals(9)[1]) == 120
    book.close()


@pytest.mark.parametrize("start", [0.0, days_ago(400)])
def test_a_clock_that_jumps_there_and_back_deletes_nothing(tmp_path: Path, start: float) -> None:
    """As on a board without a battery for its clock, which is told the time by the network."""
    clock = Clock(start)
    book = new_book(tmp_path / "l.db", clock)
    for number in range(10):
        clock.now = NOW if number % 3 else start
        book.book(entry(number, ended=clock()))
        clock.go_by(1800.0)
        book.flush()
    assert numbers(book) == list(range(10))
    assert sum(total.requests for total in book.totals(9)[1]) == 10
    book.close()


def test_a_jump_into_the_future_and_back_deletes_nothing(tmp_path: Path) -> None:
    clock = Clock()
    book = booked(tmp_path / "l.db", [NOW] * 5, clock)
    settle(book, clock)
    clock.go_by(1000.0)
    book.flush()
    clock.now += 4000 * DAY_S
    book.book(entry(5, ended=clock()))
    for _ in range(5):
        clock.go_by(700.0)  # so that it is time to prune again
        book.flush()
    clock.now -= 4000 * DAY_S
    settle(book, clock)
    assert numbers(book) == list(range(6))
    book.close()


@pytest.mark.parametrize(
    ("ends", "left"),
    [
        ([5.0, 9.0], [0, 1]),  # nothing is known of their age
        ([5.0, NOW], [0, 1]),
        ([5.0, days_ago(40), NOW], [2]),  # as old as what was booked after it
        ([days_ago(40), 5.0, NOW], [1, 2]),
        ([days_ago(5), days_ago(40), 5.0], [0, 1, 2]),  # the clock went back
        ([days_ago(-900), days_ago(40), NOW], [2]),
        ([days_ago(-900), NOW], [0, 1]),
        ([days_ago(40), days_ago(-900)], [1]),
    ],
)
def test_a_request_of_an_impossible_date_goes_with_its_neighbours(
    tmp_path: Path, ends: list[float], left: list[int]
) -> None:
    clock = Clock()
    book = booked(tmp_path / "l.db", ends, clock)
    settle(book, clock)
    assert numbers(book) == left
    book.close()


@pytest.mark.parametrize("change_s", [NOW, JUMP_S + 1, -JUMP_S - 1])
def test_the_clock_is_believed_an_hour_after_it_was_set(change_s: float) -> None:
    clock = Clock(5.0)
    steady = SteadyClock(clock, clock.monotonic)
    assert steady.settled() is None
    clock.go_by(SETTLED_S)
    assert steady.settled() == clock()
    clock.now += change_s
    assert steady.settled() is None
    clock.go_by(SETTLED_S - 1)
    assert steady.settled() is None
    clock.go_by(1)
    assert steady.settled() == clock()


@pytest.mark.parametrize("batch", [1000, 60, 1])
def test_the_files_never_outgrow_their_bound(tmp_path: Path, batch: int) -> None:
    path = tmp_path / "l.db"
    book = new_book(path, max_bytes=MIB)
    total, most = (20_000 if batch > 1 else 3_000), 0
    book.flush()
    for number in range(total):
        book.book(entry(number, model="a-model-of-some-length"))
        if number % batch == batch - 1:
            book.flush()
            most = max(most, bytes_of(path))
    book.flush()
    assert book.stored
    assert most <= MIB
    left = numbers(book)
    assert left == list(range(total - len(left), total))
    assert len(left) >= min(total, 2800)
    assert [line.requests for line in book.totals(1)[1]] == [total]
    book.close()


def test_a_bound_that_was_lowered_holds_from_the_next_start_on(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    book = new_book(path)
    for number in range(30_000):
        book.book(entry(number))
        if number % 500 == 0:
            book.flush()
    book.close()
    assert bytes_of(path) > 1.5 * MIB
    lower = new_book(path, max_bytes=MIB)
    lower.flush()
    lower.close()
    assert bytes_of(path) <= MIB
    assert [total.requests for total in lower.totals(1)[1]] == [30_000]
    assert numbers(lower)[-1] == 29_999
    lower.close()


def test_the_bound_holds_while_another_program_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its view keeps the -wal from being emptied, so the ledger waits in memory."""
    monkeypatch.setattr("edge_rt.core.system.database.BUSY_S", 0.001)
    path = tmp_path / "l.db"
    book = new_book(path, max_bytes=MIB)
    book.flush()
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM days").fetchall()
    for number in range(4000):
        book.book(entry(number))
        if number % 100 == 0:
            book.flush()
            assert bytes_of(path) <= MIB
    assert not book.stored
    reader.close()
    book.flush()
    assert book.stored
    assert [total.requests for total in book.totals(1)[1]] == [4000]
    assert book.totals(1)[1][0].day == TODAY
    book.close()


def test_a_bound_too_small_to_work_with_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least"):
        new_book(tmp_path / "l.db", max_bytes=MIB - 1)
