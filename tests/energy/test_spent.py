"""Joules of the hour and the day: they add up, end on time, and outlive the daemon."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge_rt.energy.ledger import Book
from edge_rt.governor.budget import EnergySpent
from edge_rt.testing.board import FakeClock

NOON = 1_800_014_400.0  # 2027-01-15 12:00 UTC
HOUR = 3600.0


class House:
    """Daemons that come and go over one ledger."""

    def __init__(self, folder: Path, now: float = NOON) -> None:
        self.clock = FakeClock(now)
        self.book = Book(folder / "ledger.db", days=90, max_bytes=1 << 20, clock=self.clock)
        self.spent = self.start()

    def start(self) -> EnergySpent:
        self.spent = EnergySpent(self.book, self.clock)
        return self.spent

    def restart(self) -> EnergySpent:
        """Another daemon, that has recalled what there was."""
        self.start()
        asyncio.run(self.spent.recall())
        return self.spent

    def draw(self, seconds: float, watts: float = 2.0) -> None:
        """Let time pass, with a look each second, all of which the ledger knows too."""
        for _ in range(round(seconds)):
            self.clock.now += 1.0
            self.spent.add(watts)
            self.book.measured(watts, 0.0, 1.0, 0.0, "measured")

    @property
    def energies_j(self) -> tuple[float, float]:
        return self.spent.energy_j("hour"), self.spent.energy_j("day")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_both_add_up(house: House) -> None:
    assert house.energies_j == (0.0, 0.0)
    house.draw(10)
    assert house.energies_j == (20.0, 20.0)


@pytest.mark.parametrize(
    ("now", "hour_s", "day_s"),
    [
        (NOON, HOUR, 12 * HOUR),
        (NOON + 1.5, HOUR - 1.5, 12 * HOUR - 1.5),
        (NOON + 12 * HOUR, HOUR, 24 * HOUR),
        (NOON + 12 * HOUR - 0.25, 0.25, 0.25),
        (-1.0, 1.0, 1.0),  # before 1970
    ],
)
def test_time_left(tmp_path: Path, now: float, hour_s: float, day_s: float) -> None:
    spent = House(tmp_path, now).spent
    assert (spent.left_s("hour"), spent.left_s("day")) == (hour_s, day_s)


def test_a_new_hour_begins_with_nothing(house: House) -> None:
    house.clock.now = NOON + HOUR - 5
    house.restart()
    house.draw(4)
    assert house.energies_j == (8.0, 8.0)
    house.draw(3)
    assert house.energies_j == (6.0, 14.0)


def test_a_new_day_begins_with_nothing(house: House) -> None:
    house.clock.now = NOON + 12 * HOUR - 5
    house.restart()
    house.draw(7)
    assert house.energies_j == (6.0, 6.0)
    asyncio.run(house.spent.recall())  # nothing to recall: it was seen from its beginning
    assert house.energies_j == (6.0, 6.0)


def test_they_outlive_the_daemon(house: House) -> None:
    house.draw(100)
    house.restart()
    assert house.energies_j == (200.0, 200.0)
    house.draw(10)
    assert house.energies_j == (220.0, 220.0)


def test_a_restart_in_another_hour(house: House) -> None:
    house.draw(100)
    house.clock.now = NOON + HOUR
    house.restart()
    assert house.energies_j == (0.0, 200.0)


def test_a_restart_on_another_day(house: House) -> None:
    house.draw(100)
    house.clock.now = NOON + 24 * HOUR  # the same hour of the day
    house.restart()
    assert house.energies_j == (0.0, 0.0)


def test_the_ledger_on_disk_is_as_good(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.draw(100)
    house.book.close()
    again = House(tmp_path, house.clock.now)
    asyncio.run(again.spent.recall())
    assert again.energies_j == (200.0, 200.0)


def test_a_ledger_with_days_to_come(house: House) -> None:
    house.draw(100)
    house.clock.now = NOON + 365 * 24 * HOUR  # a clock that was wrong for a while
    house.draw(3)
    house.clock.now = NOON + 200
    assert house.restart().energy_j("day") == 200.0


def test_recalling_twice_counts_once(house: House) -> None:
    house.draw(100)
    house.start()

    async def both() -> None:
        await asyncio.gather(house.spent.recall(), house.spent.recall())
        await house.spent.recall()

    asyncio.run(both())
    assert house.energies_j == (200.0, 200.0)


def test_what_is_drawn_while_it_recalls_counts(house: House) -> None:
    house.draw(100)

    class Slow(Book):
        """A ledger during whose reading more is drawn."""

        def hour_j(self, number: int) -> float:
            spent.add(5.0)
            house.book.measured(5.0, 0.0, 1.0, 0.0, "measured")
            return house.book.hour_j(number)

    spent = EnergySpent(Slow(None, days=90, max_bytes=1 << 20), house.clock)
    asyncio.run(spent.recall())
    assert spent.energy_j("hour") == 205.0


def test_an_hour_that_ends_while_it_is_recalled_is_over(house: House) -> None:
    house.draw(100)

    class Slow(Book):
        """A ledger that takes until the next hour to read."""

        def hour_j(self, number: int) -> float:
            house.clock.now = NOON + 12 * HOUR
            spent.add(5.0)
            return house.book.hour_j(number)

    house.clock.now = NOON + 12 * HOUR - 1
    spent = EnergySpent(Slow(None, days=90, max_bytes=1 << 20), house.clock)
    asyncio.run(spent.recall())
    assert (spent.energy_j("hour"), spent.energy_j("day")) == (5.0, 5.0)


@pytest.mark.parametrize("leap", [2 * HOUR, HOUR, 30 * 24 * HOUR])
def test_a_clock_set_forward_begins_anew(house: House, leap: float) -> None:
    house.restart()
    house.draw(100)
    house.clock.now += leap
    house.draw(10)
    asyncio.run(house.spent.recall())
    hour, day = house.energies_j
    assert hour == 20.0
    assert day == (220.0 if leap < 12 * HOUR else 20.0)


def test_a_clock_set_forward_into_a_day_that_is_known(house: House) -> None:
    """As on a board that has no clock of its own and starts in the past."""
    house.draw(100)
    today = house.clock.now
    house.clock.now -= 24 * HOUR  # the last time that it was on
    house.restart()
    assert house.energies_j == (0.0, 0.0)
    house.draw(10)
    house.clock.now = today
    house.draw(5)
    asyncio.run(house.spent.recall())
    assert house.energies_j == (210.0, 210.0)


def test_a_ledger_that_cannot_be_read_at_first_is_asked_again(house: House, tmp_path: Path) -> None:
    ledger, aside = tmp_path / "ledger.db", tmp_path / "aside"
    house.draw(100)
    house.book.close()
    ledger.rename(aside)
    ledger.mkdir()
    house.restart()
    house.draw(10)
    assert house.energies_j == (20.0, 20.0)
    ledger.rmdir()
    aside.rename(ledger)
    house.book.flush(everything=True)
    asyncio.run(house.spent.recall())
    assert house.energies_j == (220.0, 220.0)
    asyncio.run(house.spent.recall())
    assert house.energies_j == (220.0, 220.0)


def test_a_clock_set_back_into_an_hour_that_is_known(house: House) -> None:
    house.clock.now = NOON + HOUR - 10
    house.restart()
    house.draw(8)
    house.draw(4)
    assert house.energies_j == (6.0, 24.0)
    house.clock.now -= 10  # into the last hour
    house.draw(1)
    asyncio.run(house.spent.recall())
    assert house.energies_j == (20.0, 26.0)


def test_a_clock_set_back_a_little_changes_nothing(house: House) -> None:
    house.draw(100)
    house.clock.now -= 50
    house.draw(10)
    asyncio.run(house.spent.recall())
    assert house.energies_j == (220.0, 220.0)
