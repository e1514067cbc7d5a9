"""Readers are read in their own time; what fails goes stale, says why, and comes back."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import replace

import pytest
from faults import Faults
from hypothesis import given
from hypothesis import strategies as st
from trees import orin_nano, x86

from edge_rt.board.discovery import Roots, discover
from edge_rt.board.integral import Energy
from edge_rt.board.readers.base import BaseReader, Channel, Kind
from edge_rt.board.readers.ina3221 import Ina3221Hwmon
from edge_rt.board.readers.rapl import Rapl
from edge_rt.board.readers.sysfs import FILE_IO
from edge_rt.board.sampler import BoardSampler
from edge_rt.testing.board import FakeBoard, FakeClock


class Constant(BaseReader):
    """Gives what it is told."""

    def __init__(self, name: str, period_s: float, kind: Kind = "power_w") -> None:
        super().__init__(name, [Channel(name, kind, "told")], period_s)
        self.value: float | None = 5.0
        self.reads: list[float] = []
        self.clock: FakeClock | None = None

    def _read(self) -> None:
        if self.clock is not None:
            self.reads.append(self.clock.now)
        if self.value is None:
            self._fail(0, "told to")
        else:
            self._set(0, self.value)


class Broken(BaseReader):
    """Breaks in a way that nobody thought of."""

    def __init__(self) -> None:
        super().__init__("broken", [Channel("broken", "temp_c", "told")], 0.1)

    def _read(self) -> None:
        raise ZeroDivisionError("by zero")


def run(sampler: BoardSampler, clock: FakeClock, seconds: float, step_s: float = 0.1) -> None:
    for _ in range(round(seconds / step_s)):
        sampler.step(clock.now)
        clock.now += step_s


def test_each_reader_is_read_in_its_own_time(clock: FakeClock) -> None:
    fast, slow = Constant("fast", 0.1), Constant("slow", 0.5)
    fast.clock = slow.clock = clock
    sampler, begin = BoardSampler([fast, slow], clock), clock.now
    while clock.now < begin + 9.95:
        sampler.step(clock.now)
        assert sampler.due(clock.now) > 0.0
        clock.now += sampler.due(clock.now)
    assert len(fast.reads) == 100
    assert len(slow.reads) == 20


@given(st.lists(st.floats(0.0, 5.0), max_size=60), st.floats(0.05, 2.0))
def test_no_reader_is_read_more_often_than_its_period(waits: list[float], period: float) -> None:
    clock, reader = FakeClock(), Constant("any", period)
    reader.clock = clock
    sampler, begin = BoardSampler([reader], clock), clock.now
    for wait in waits:
        sampler.step(clock.now)
        assert 0.0 < sampler.due(clock.now) <= period + 1e-9
        clock.now += wait
    assert len(reader.reads) <= (clock.now - begin) / period + 1.000001


def test_slow_transfers_leave_no_gap(tree: FakeBoard, clock: FakeClock) -> None:
    def slow(fd: int, size: int, offset: int) -> bytes:
        clock.now += 0.12
        return os.pread(fd, size, offset)

    orin_nano(tree)
    other = Constant("other", 0.1)  # which waits for the slow one
    reader = Ina3221Hwmon(tree.sysfs, io=replace(FILE_IO, pread=slow))
    sampler = BoardSampler([reader, other], clock)
    for _ in range(20):
        sampler.step(clock.now)
    energies = sampler.energies()
    assert energies["VDD_IN"].missing_s == 0.0
    assert energies["VDD_IN"].covered_s == pytest.approx(19 * 6 * 0.12)
    assert energies["VDD_IN"].energy_j == pytest.approx(19 * 6 * 0.12 * 5.016 * 1.24)
    assert energies["other"].missing_s == 0.0
    assert all(reading.value is not None for reading in sampler.readings())


def test_a_read_that_is_late_by_less_than_a_second_leaves_no_gap(clock: FakeClock) -> None:
    sampler = BoardSampler([Constant("rail", 0.1)], clock)
    for wait_s in (0.1, 0.9, 0.4, 0.1, 0.7):  # as on a machine whose cores are all busy
        sampler.step(clock.now)
        clock.now += wait_s
    sampler.step(clock.now)
    total = sampler.energies()["rail"]
    assert (total.energy_j, total.missing_s) == (pytest.approx(5.0 * 2.2), 0.0)
    clock.now += 3.5
    sampler.step(clock.now)
    assert sampler.energies()["rail"].missing_s == pytest.approx(3.5)


def test_one_read_that_takes_long_leaves_a_gap(clock: FakeClock) -> None:
    class Stalls(Constant):
        def _read(self) -> None:
            super()._read()
            clock.now += 2.0 if len(self.reads) == 5 else 0.001

    reader = Stalls("stalls", 0.1)
    reader.clock = clock
    sampler = BoardSampler([reader], clock)
    for _ in range(10):
        sampler.step(clock.now)
        clock.now += sampler.due(clock.now)
    assert sampler.energies()["stalls"].missing_s > 1.0
    assert sampler.energies()["stalls"].covered_s < 1.0


def test_refused_watts_are_missing_and_not_nothing(tree: FakeBoard, clock: FakeClock) -> None:
    orin_nano(tree)
    folder = tree.sysfs / "class" / "hwmon" / "hwmon0"
    tree.write(folder, {"shunt1_resistor": 5000})
    sampler = BoardSampler([Ina3221Hwmon(tree.sysfs)], clock)
    run(sampler, clock, 0.5)
    tree.write(folder, {"curr1_input": 65_535})
    run(sampler, clock, 0.5)
    energy = sampler.energies()["VDD_IN"]
    assert energy == Energy(
        pytest.approx(0.4 * 5.016 * 1.24), pytest.approx(0.4), pytest.approx(0.5)
    )
    reading = sampler.reading("VDD_IN", "power_w")
    assert reading is not None
    assert reading.value is None
    assert "current_a is 65.5" in (reading.error or "")
    assert "over 5 mΩ" in (reading.error or "")


def test_a_hurried_reader_begins_its_beat_anew_and_no_other_does(clock: FakeClock) -> None:
    first, other = Constant("a", 1.0), Constant("b", 1.0)
    sampler = BoardSampler([first, other], clock)
    run(sampler, clock, 0.1)
    sampler.hurry([first], clock.now + 0.25)
    assert sampler.due(clock.now) == pytest.approx(0.25)
    clock.now += 0.25
    assert sampler.step(clock.now) == 1
    sampler.hurry([first], clock.now + 5.0)  # never later than it is due anyway
    assert sampler.due(clock.now) == pytest.approx(0.65)
    clock.now += 0.65
    assert sampler.step(clock.now) == 1  # the other one
    assert sampler.due(clock.now) == pytest.approx(0.35)


def test_a_hurry_that_comes_in_the_middle_of_a_read_is_read_for(clock: FakeClock) -> None:
    class Hurried(Constant):
        """Somebody wants a figure of now, which the read that goes on may not give."""

        def _read(self) -> None:
            super()._read()
            sampler.hurry([self], clock.now + 0.02)

    sampler = BoardSampler([Hurried("slow", 5.0)], clock)
    sampler.step(clock.now)
    assert sampler.due(clock.now) == pytest.approx(0.02)


def test_a_reading_stands_until_it_is_overdue(clock: FakeClock) -> None:
    sampler = BoardSampler([Constant("rail", 0.1)], clock)
    assert sampler.reading("rail", "temp_c") is None
    before = sampler.reading("rail", "power_w")
    assert before is not None
    assert (before.value, before.last, before.error) == (None, None, "not read yet")
    sampler.step(clock.now)
    taken_s, clock.now = clock.now, clock.now + 0.25
    fresh = sampler.reading("rail", "power_w")
    assert fresh is not None
    assert (fresh.value, fresh.error, fresh.time_s) == (5.0, None, taken_s)
    clock.now += 0.25
    old = sampler.reading("rail", "power_w")
    assert old is not None
    assert (old.value, old.last) == (None, 5.0)
    assert old.error == "not read for 0.5 s"


def test_a_failed_reading_is_stale_with_its_reason_and_recovers(clock: FakeClock) -> None:
    reader = Constant("rail", 0.1)
    sampler = BoardSampler([reader], clock)
    run(sampler, clock, 0.1)
    reader.value = None
    run(sampler, clock, 0.1)
    failed = sampler.readings()[0]
    assert (failed.value, failed.last, failed.error) == (None, 5.0, "told to")
    reader.value = 6.0
    run(sampler, clock, 0.1)
    assert (sampler.readings()[0].value, sampler.readings()[0].error) == (6.0, None)


def test_a_reader_that_breaks_stops_no_other(clock: FakeClock) -> None:
    sampler = BoardSampler([Broken(), Constant("rail", 0.1)], clock)
    run(sampler, clock, 0.3)
    broken, rail = sampler.readings()
    assert broken.error == "ZeroDivisionError: by zero"
    assert rail.value == 5.0


def test_energy_of_a_rail_with_a_gap(clock: FakeClock) -> None:
    reader = Constant("rail", 0.1)
    sampler = BoardSampler([reader], clock)
    run(sampler, clock, 1.05, 0.05)
    clock.now += 10.0
    run(sampler, clock, 1.0, 0.05)
    total = sampler.energies()["rail"]
    assert total.energy_j == pytest.approx(5.0 * total.covered_s)
    assert total.covered_s == pytest.approx(1.9, abs=0.11)
    assert total.missing_s == pytest.approx(10.05, abs=0.11)


def test_energies_are_given_by_name_in_the_order_asked_for(clock: FakeClock) -> None:
    one, two, hidden = Constant("one", 0.1), Constant("two", 0.1), Constant("one", 0.1)
    two.value, hidden.value = 2.0, 99.0
    sampler = BoardSampler([one, two, hidden, Constant("zone", 0.1, "temp_c")], clock)
    assert sampler.metered(["one"]) == [Energy()]
    run(sampler, clock, 1.0)
    energies = sampler.energies()
    assert sampler.metered(["two", "one"]) == [energies["two"], energies["one"]]
    assert energies["one"].energy_j == pytest.approx(5.0 * energies["one"].covered_s)
    with pytest.raises(KeyError):
        sampler.metered(["zone"])


def test_only_power_has_energy(clock: FakeClock) -> None:
    sampler = BoardSampler([Constant("zone", 0.1, "temp_c")], clock)
    run(sampler, clock, 1.0)
    assert sampler.energies() == {}


def test_a_counter_is_used_as_such(tree: FakeBoard, clock: FakeClock) -> None:
    x86(tree)
    sampler = BoardSampler([Rapl(tree.sysfs, clock=clock)], clock)
    sampler.step(clock.now)
    clock.now += 60.0  # a gap that no integral may bridge
    tree.rapl("intel-rapl:0", "package-0", 1_000_000 + 600_000_000)
    sampler.step(clock.now)
    total = sampler.energies()["package-0"]
    assert (total.energy_j, total.covered_s, total.missing_s) == (pytest.approx(600.0), 60.0, 0.0)


def test_subscribers_hear_every_read(clock: FakeClock) -> None:
    heard: list[tuple[float, str, list[float | None]]] = []

    def hear(time_s: float, reader: BaseReader, values: Sequence[float | None]) -> None:
        heard.append((time_s, reader.name, list(values)))

    sampler = BoardSampler([Constant("rail", 0.1)], clock)
    sampler.subscribe(hear)
    begin = clock.now
    sampler.step(clock.now)
    assert heard == [(begin, "rail", [5.0])]
    clock.now += 1.0
    sampler.step(clock.now)
    assert len(heard) == 2


def test_a_subscriber_that_raises_is_told_of_once(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[float] = []

    def raising(time_s: float, *_: object) -> None:
        calls.append(time_s)
        raise RuntimeError("no room")

    sampler = BoardSampler([Constant("rail", 0.1)], clock)
    sampler.subscribe(raising)
    run(sampler, clock, 1.0)
    assert len(calls) >= 9
    assert [r.message for r in caplog.records] == ["a subscriber to the sensors failed"]


def test_two_readers_of_one_name_are_told_apart_by_order(clock: FakeClock) -> None:
    first, second = Constant("rail", 0.1), Constant("rail", 0.1)
    second.value = 9.0
    sampler = BoardSampler([first, second], clock)
    run(sampler, clock, 0.2)
    reading = sampler.reading("rail", "power_w")
    assert reading is not None
    assert reading.value == 5.0
    assert [r.value for r in sampler.readings()] == [5.0, 9.0]
    assert len(sampler.channels) == 2


def test_nothing_to_read_is_due_in_a_second(clock: FakeClock) -> None:
    assert BoardSampler([], clock).due(clock.now) == pytest.approx(1.0)
    assert BoardSampler([], clock).step(clock.now) == 0


@pytest.mark.parametrize("error", [errno.EAGAIN, errno.EIO, errno.ENODEV, errno.ENODATA])
def test_a_storm_of_errors_opens_no_more_files_than_it_closes(
    tree: FakeBoard, faults: Faults, clock: FakeClock, error: int
) -> None:
    orin_nano(tree)
    sampler = BoardSampler([Ina3221Hwmon(tree.sysfs, io=faults.io)], clock)
    run(sampler, clock, 0.5)
    held = faults.held()
    for path in held:
        faults.errors[path] = [error]
    run(sampler, clock, 2.0)
    assert all(
        r.value is None and r.last is not None and errno.errorcode[error] in (r.error or "")
        for r in sampler.readings()
    )
    faults.errors.clear()
    run(sampler, clock, 0.3)
    assert [r.error for r in sampler.readings()] == [None] * len(sampler.channels)
    assert faults.held() == held
    sampler.close()
    assert faults.held() == set()


def test_no_file_is_opened_twice_when_all_is_well(
    tree: FakeBoard, faults: Faults, clock: FakeClock
) -> None:
    orin_nano(tree)
    found = discover(Roots(tree.sysfs, tree.proc, tree.dev), io=faults.io, clock=clock)
    sampler = BoardSampler(found.readers, clock)
    run(sampler, clock, 1.0)
    opened = faults.opened
    run(sampler, clock, 5.0)
    assert faults.opened == opened
    assert len(faults.held()) == opened
