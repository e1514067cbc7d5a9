"""Each day's joules by application, with the idle draw and the rest in rows of their own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from book_help import TODAY, Clock, days_ago, entry, new_book

from edge_rt.core.reports.board import AppTotal, DayTotal
from edge_rt.energy.ledger_records import Day, battery_s, ledger_report

IDLE_W, BUSY_W = 3.0, 8.0


def test_sums_of_applications_outlive_the_daemon(tmp_path: Path) -> None:
    path, clock = tmp_path / "ledger.db", Clock()
    for _ in range(2):
        book = new_book(path, clock)
        book.book(entry(4, app="cam"))
        book.book(entry(2, app="cam", joules=False))
        book.book(entry(8))
        book.tail(AppTotal(TODAY, "cam", energy_j=0.5))
        book.book(entry(1, app="cam", ended=days_ago(2)))
        unwritten = {row.app: row for row in book.apps(TODAY)}
        book.close()
    cam = AppTotal(TODAY, "cam", 4, 2, 36, 3.0)
    assert unwritten == {"cam": cam, "(edge_rt)": AppTotal(TODAY, "(edge_rt)", 2, 0, 48, 4.0)}
    book = new_book(path, clock)
    assert cam in book.apps(TODAY)
    assert len(book.apps(TODAY)) == 2
    assert len(book.apps("2027-01-01")) == 3
    book.close()


def test_the_rows_of_a_day_add_up_to_its_joules() -> None:
    days = [Day(TODAY, "measured", 100.0, 32.0, 60.0, 0.0, 55.0)]
    apps = [
        AppTotal(TODAY, "cam", 1, 0, 9, 10.0),
        AppTotal(TODAY, "chat", 2, 0, 9, 20.0),
        AppTotal("2027-01-14", "cam", 1, 0, 9, 5.0),
    ]
    rows = ledger_report(True, days, [], [], apps).apps
    told = [(row.day, row.app, row.energy_j) for row in rows]
    assert told == [
        (TODAY, "chat", 20.0),
        (TODAY, "cam", 10.0),
        (TODAY, "(idle)", 55.0),
        (TODAY, "(rest)", 15.0),
        ("2027-01-14", "cam", 5.0),  # a day without a meter
    ]


def test_what_the_board_draws_just_after_a_request_is_its_applications(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.senses.powered()
        for _ in range(21):
            house.senses.read(IDLE_W, 0.1)
        house.scripts = [[kit.started(), kit.passing(house, 2.0), kit.finished()]]
        await house.answer(app="cam")
        for _ in range(2):
            house.senses.read(BUSY_W, 0.1)  # until its clocks are down
        for _ in range(20):
            house.senses.read(IDLE_W, 0.1)
        report = await house.energy_meter.ledger(1, 1)
        [booked] = report.last
        rows = {row.app: row.energy_j for row in report.apps}
        assert booked.app == "cam"
        assert booked.energy_j == pytest.approx(2.0 * (BUSY_W - IDLE_W))
        assert rows["cam"] == pytest.approx(2.2 * (BUSY_W - IDLE_W))
        assert rows["(idle)"] == pytest.approx(IDLE_W * 6.3, rel=0.02)
        assert sum(rows.values()) == pytest.approx(report.days[0].energy_j)

    asyncio.run(run())


def test_a_battery_lasts_as_long_as_todays_mean_power_says() -> None:
    today = DayTotal(TODAY, "measured", 7200.0, 0.0, 7200.0, 1800.0, 0.0)
    before = DayTotal("2027-01-14", "measured", 9.0, 0.0, 9.0, 9.0, 0.0)
    assert battery_s(50.0, [today, before]) == 12.5 * 3600
    assert battery_s(None, [today]) is None
    assert battery_s(50.0, []) is None
    unknown = DayTotal(TODAY, "unresolved", 0.0, 0.0, 0.0, 0.0, 60.0)
    assert battery_s(50.0, [unknown]) is None
