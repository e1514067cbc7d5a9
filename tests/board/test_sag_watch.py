"""A supply that sags, by the flags of a Raspberry Pi and the counters of a Jetson."""

from __future__ import annotations

from pathlib import Path

from edge_rt.board.meters import SagWatch
from edge_rt.board.profile import BoardChoice
from edge_rt.board.readers.over_current import OverCurrent
from edge_rt.board.readers.raspberry_pi import PiThrottled, PiVolt
from edge_rt.board.sampler import BoardSampler
from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.testing.board import FakeBoard, FakeClock


class Watched:
    """A board with the flags of a Pi and the counters of a Jetson, and who watches them."""

    def __init__(self, tree: FakeBoard) -> None:
        platform = tree.sysfs / "devices" / "platform" / "soc" / "soc:firmware"
        self.bits = tree.write(platform, {"get_throttled": "0"}) / "get_throttled"
        self.alarm = tree.hwmon("rpi_volt", {"in0_lcrit_alarm": 0}) / "in0_lcrit_alarm"
        self.counter = tree.hwmon("soctherm_oc", {"oc3_event_cnt": 37}) / "oc3_event_cnt"
        readers = [PiThrottled(tree.sysfs), PiVolt(tree.sysfs), OverCurrent(tree.sysfs)]
        self._clock = FakeClock()
        sampler = BoardSampler(readers, self._clock)
        self._snapshot = BoardSnapshot(Path("/"), BoardChoice(), sampler, (), None)
        self._watch = SagWatch()

    def look(self) -> str | None:
        self._clock.now += 1.0
        self._snapshot.sampler.step(self._clock.now)
        return self._watch.look(self._snapshot)


def test_flags_tell_of_a_sag_as_long_as_they_stand(tree: FakeBoard) -> None:
    board = Watched(tree)
    assert board.look() is None
    board.bits.write_text("50005\n")
    assert board.look() == board.look() == "under_voltage"
    board.bits.write_text("50000\n")  # it has happened
    assert board.look() is None
    board.alarm.write_text("1\n")
    assert board.look() == "under_voltage_alarm"


def test_counters_tell_of_a_sag_when_they_grow(tree: FakeBoard) -> None:
    board = Watched(tree)
    assert board.look() is None  # what was counted before says nothing of now
    board.counter.write_text("39\n")
    assert [board.look(), board.look()] == ["oc3_event_cnt", None]
    board.counter.write_text("")
    assert board.look() is None
    board.counter.write_text("40\n")
    assert board.look() == "oc3_event_cnt"
    board.counter.write_text("0\n")  # the driver was loaded again
    assert board.look() is None


def test_a_board_without_them_never_sags() -> None:
    assert SagWatch().look(None) is None
