"""What was booked is found again: at once, after a restart, and exactly once."""

from __future__ import annotations

import asyncio
import math
import tempfile
import threading
import time
from pathlib import Path

import pytest
from book_help import NOW, TODAY, Clock, days_ago, entry, new_book
from disk_help import failing_disk
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_rt.core.reports.board import ModelTotal
from edge_rt.energy.ledger import IDLE_S
from edge_rt.energy.ledger_records import HOUR_S, Day, UsageRecord

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("book"), st.integers(1, 50)),
        st.tuples(st.just("measured"), st.integers(1, 50)),
        st.sampled_from([("flush", 0), ("fail", 0), ("reopen", 0), ("day", 0)]),
    ),
    max_size=30,
)


@pytest.fixture(params=["file", "memory"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "ledger.db" if request.param == "file" else None


def test_what_is_booked_counts_before_it_is_written(path: Path | None) -> None:
    book = new_book(path)
    book.book(entry(1))
    book.book(entry(2, joules=False))
    book.measured(10.0, 0.25, 2.0, 1.0, "measured")
    days, models = book.totals(7)
    assert days == [Day(TODAY, "measured", 10.0, 0.25, 2.0, 1.0)]
    assert days[0].unattributed_j == 9.75
    assert models == [ModelTotal(TODAY, "m", 2, 1, 3, 1, 6, 1.5, 0.25)]
    assert book.recent(5) == [entry(2, joules=False), entry(1)]


def test_flushed_and_new_add_up(tmp_path: Path) -> None:
    book = new_book(tmp_path / "ledger.db")
    for number in range(1, 5):
        book.book(entry(number))
        book.measured(1.0, 0.5, 1.0, 0.0, "measured")
        if number % 2:
            book.flush(everything=True)
    days, models = book.totals(1)
    assert days == [Day(TODAY, "measured", 4.0, 2.0, 4.0, 0.0)]
    assert models == [ModelTotal(TODAY, "m", 4, 0, 10, 4, 20, 5.0, 2.5)]
    assert book.recent(3) == [entry(4), entry(3), entry(2)]


def test_a_restart_finds_everything(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.db"
    with_none = entry(3, joules=False)
    book = new_book(path)
    book.book(with_none)
    book.measured(1.5, 0.0, 1.0, 0.5, "modelled")
    book.close()
    assert [file.name for file in path.parent.iterdir()] == ["ledger.db"]
    again = new_book(path)
    assert again.recent(10) == [with_none]
    assert again.totals(10)[0] == [Day(TODAY, "modelled", 1.5, 0.0, 1.0, 0.5)]
    again.close()


@pytest.mark.parametrize("written", [False, True])
def test_hours_add_up_before_and_after_they_are_written(path: Path | None, written: bool) -> None:
    clock = Clock()
    book, hour = new_book(path, clock), int(NOW // HOUR_S)
    for _ in range(4):
        clock.go_by(HOUR_S / 2)
        book.measured(1.5, 0.0, 1.0, 0.0, "measured")
        if written:
            book.flush(everything=True)
    assert [book.hour_j(hour + n) for n in range(4)] == [1.5, 3.0, 1.5, 0.0]


def test_days_are_newest_first_and_models_by_name(path: Path | None) -> None:
    book = new_book(path)
    for days in (0, 2, 1, 40):
        for model in ("b", "a"):
            book.book(entry(model=model, ended=days_ago(days)))
        book.flush()
    _, models = book.totals(3)
    assert [(total.day, total.model) for total in models] == [
        (day, model) for day in (TODAY, "2027-01-14", "2027-01-13") for model in ("a", "b")
    ]


@pytest.mark.parametrize(
    ("parts", "quality"),
    [
        ([("measured", 0.0)], "unresolved"),
        ([("unresolved", 0.0), ("measured", 1.0)], "measured"),
        ([("modelled", 0.0), ("measured", 1.0)], "measured"),
        ([("modelled", 1.0), ("measured", 1.0), ("unresolved", 0.0)], "modelled"),
    ],
)
def test_a_days_quality_is_that_of_its_poorest_known_part(
    path: Path | None, parts: list[tuple[str, float]], quality: str
) -> None:
    book = new_book(path)
    for part, covered in parts:
        book.measured(covered, 0.0, covered, 1.0, part)
        book.flush(everything=True)
    assert [day.quality for day in book.totals(1)[0]] == [quality]


def test_the_supply_is_booked_on_the_day_that_the_clock_says(path: Path | None) -> None:
    clock = Clock()
    book = new_book(path, clock)
    book.measured(1.0, 0.0, 1.0, 0.0, "measured")
    clock.now = 5.0
    book.measured(2.0, 0.0, 1.0, 0.0, "measured")
    clock.now = NOW
    book.measured(4.0, 0.0, 1.0, 0.0, "measured")
    assert [(day.day, day.energy_j) for day in book.totals(9)[0]] == [
        (TODAY, 5.0),
        ("1970-01-01", 2.0),
    ]


def test_figures_that_would_spoil_a_sum_are_refused() -> None:
    book = new_book(None)
    with pytest.raises(ValueError, match="finite"):
        book.measured(math.nan, 0.0, 1.0, 0.0, "measured")
    with pytest.raises(ValueError, match="ended is inf"):
        entry(ended=math.inf)
    assert book.totals(1) == ([], [])


def test_sums_alone_are_written_seldom_and_nothing_when_nothing_changed(tmp_path: Path) -> None:
    path, clock = tmp_path / "ledger.db", Clock()
    book = new_book(path, clock)
    wal = path.with_name("ledger.db-wal")

    def written(energy_j: float) -> bool:
        before = (wal.stat().st_size, wal.stat().st_mtime_ns)
        book.measured(energy_j, 0.0, energy_j, 0.0, "measured")
        book.flush()
        return (wal.stat().st_size, wal.stat().st_mtime_ns) != before

    book.measured(1.0, 0.0, 1.0, 0.0, "measured")
    book.flush()
    assert not written(1.0)
    clock.go_by(IDLE_S)
    assert written(1.0)
    clock.go_by(IDLE_S)
    assert not written(0.0)
    book.close()


def test_totals_wait_for_no_loop_and_count_each_request_once(tmp_path: Path) -> None:
    """Threads flush and read while the loop books: no answer counts more or fewer than booked."""
    book = new_book(tmp_path / "ledger.db")

    async def ask() -> None:
        for number in range(1, 201):
            book.book(entry(1))
            (_, models), _ = await asyncio.gather(
                asyncio.to_thread(book.totals, 1), asyncio.to_thread(book.flush)
            )
            assert [total.requests for total in models] == [number]

    asyncio.run(ask())
    book.close()


def test_booking_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    book = new_book(tmp_path / "ledger.db")
    with book._disk:  # as in a flush that hangs
        booking = threading.Thread(target=book.book, args=(entry(),))
        booking.start()
        booking.join(10.0)
        assert not booking.is_alive()
    assert len(book.recent(2)) == 1


def sums(booked: list[UsageRecord]) -> dict[tuple[str, str], ModelTotal]:
    """Return what the totals must be, added up another way than the ledger does."""
    groups: dict[tuple[str, str], list[UsageRecord]] = {}
    for line in booked:
        day = time.strftime("%Y-%m-%d", time.gmtime(line.ended))
        groups.setdefault((day, line.model), []).append(line)
    return {
        (day, model): ModelTotal(
            day,
            model,
            len(lines),
            sum(line.quality == "unresolved" for line in lines),
            sum(line.prompt_tokens for line in lines),
            sum(line.cached_tokens for line in lines),
            sum(line.completion_tokens for line in lines),
            sum(line.busy_s for line in lines),
            sum(line.energy_j or 0.0 for line in lines),
        )
        for (day, model), lines in groups.items()
    }


@given(STEPS)
@settings(max_examples=3 * settings().max_examples // 5)
def test_totals_are_the_sum_of_what_was_booked(steps: list[tuple[str, int]]) -> None:
    """Through flushes, failed flushes, restarts and midnights."""
    clock, booked, energy_j = Clock(), list[UsageRecord](), 0.0
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "ledger.db")
        book = new_book(path, clock)
        for step, number in steps:
            if step == "book":
                line = entry(number, ended=clock(), model="ab"[number % 2], joules=number % 5 > 0)
                booked.append(line)
                book.book(booked[-1])
            elif step == "measured":
                book.measured(float(number), 0.0, 1.0, 0.0, "measured")
                energy_j += number
            elif step == "day":
                clock.go_by(86_400.0)
            elif step == "flush":
                book.flush()
            elif step == "fail":
                with failing_disk():
                    book.flush(everything=True)
            else:
                book.close()
                book = new_book(path, clock)
        days, models = book.totals(100)
        book.close()
        assert new_book(path, clock).totals(100) == (days, models)
    assert sum(day.energy_j for day in days) == energy_j
    assert {(total.day, total.model): total for total in models} == sums(booked)
