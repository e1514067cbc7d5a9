"""What an answer takes of the machine and of a simulated board."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchlib.noise import CpuTimes
from benchlib.process import Child
from benchlib.twin_record import Look, write_line
from evallib.meter import MachineMeter, Record


def grow(file: Path, *powers_w: float, from_s: float = 0.0) -> None:
    """Look after look of a tenth of a second."""
    with file.open("a") as record:
        for number, power_w in enumerate(powers_w, 1):
            record.write(write_line(Look(from_s + 0.1 * number, 0.1, power_w)))


def test_joules_are_what_was_drawn_between_two_times(tmp_path: Path) -> None:
    file = tmp_path / "record"
    grow(file, 5.0, 5.0, 2.0, 2.0)
    assert Record(file).joules(0.0, 0.4) == pytest.approx(1.4)
    assert Record(file).joules(0.1, 0.3) == pytest.approx(0.7)
    assert Record(file).joules(0.15, 0.25) == pytest.approx(0.35)


def test_what_is_not_written_yet_goes_by_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "record"
    grow(file, 4.0, 4.0)
    with file.open("a") as record:
        record.write("0.3 0.1 1")
    assert Record(file).joules(0.0, 0.25) == pytest.approx(1.0)


def test_a_record_that_grows_is_read_on(tmp_path: Path) -> None:
    file = tmp_path / "record"
    grow(file, 5.0, 5.0)
    record = Record(file)
    assert record.joules(0.0, 0.2) == pytest.approx(1.0)
    grow(file, 3.0, 3.0, from_s=0.2)
    assert record.joules(0.2, 0.4) == pytest.approx(0.6)


def test_nothing_seen_is_not_nothing_drawn(tmp_path: Path) -> None:
    file = tmp_path / "record"
    grow(file, 5.0)
    assert Record(file).joules(1.0, 1.5) is None


class FakeChild(Child):
    """Has used so many CPU seconds, its children among them."""

    def __init__(self) -> None:
        self.all_s = self.engine_s = 0.0

    def cpu_s(self) -> float:
        return self.all_s

    def children_cpu_s(self) -> float:
        return self.engine_s


def test_the_engine_and_others_are_told_apart() -> None:
    child, now = FakeChild(), [0.0, 0.0]  # seconds, and busy ones of all cores
    meter = MachineMeter(
        child,
        None,
        times=lambda: CpuTimes(now[1], 0.0),
        own_s=lambda: 0.1 * now[0],
        clock=lambda: now[0],
    )
    now[:], child.all_s, child.engine_s = [5.0, 9.0], 1.0, 0.5
    meter.begin()
    now[:], child.all_s, child.engine_s = [7.0, 14.0], 4.0, 3.0
    spent = meter.end(5.0, 7.0)
    assert spent.cpu_s == 2.5
    assert spent.others == pytest.approx((5.0 - 3.0 - 0.2) / 2.0)
    assert spent.board_j is None


def test_of_an_engine_that_was_started_anew_nothing_is_known() -> None:
    child = FakeChild()
    child.engine_s = 9.0
    meter = MachineMeter(
        child, None, lambda: CpuTimes(0.0, 0.0), lambda: 0.0, iter([1.0, 2.0]).__next__
    )
    child.engine_s = 1.0
    assert meter.end(1.0, 2.0).cpu_s is None
