"""The thread reads on while its owner waits, and ends when told to."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import cast

import pytest

from edge_rt.board.readers.base import BaseReader, Channel
from edge_rt.board.sampler import HUNG, LATE, BoardSampler
from edge_rt.board.sampler_thread import SamplerThread, step_all
from edge_rt.testing.board import FakeClock


class Gate(BaseReader):
    """Counts its reads, and hangs in one while its gate is shut."""

    def __init__(self) -> None:
        super().__init__("gate", [Channel("gate", "flag", "told")], 0.001)
        self.open = threading.Event()
        self.open.set()
        self.reached = threading.Event()
        self.third = threading.Event()
        self.reads = 0
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def _read(self) -> None:
        self.reads += 1
        self.reached.set()
        assert self.open.wait(30.0)
        self._set(0, 1.0)
        if self.reads >= 3:
            self.third.set()


class Beside(BaseReader):
    """Notes at each read while the gate is shut whether the gate's reader was left out by then."""

    def __init__(self, gate: Gate) -> None:
        super().__init__("beside", [Channel("beside", "flag", "told")], 0.001)
        self.gate = gate
        self.sampler: BoardSampler | None = None
        self.noted: list[bool] = []
        self.first = threading.Event()

    def _read(self) -> None:
        self._set(0, 1.0)
        if self.sampler is not None and not self.gate.open.is_set():
            self.noted.append(bool(self.sampler.blocked))
            self.first.set()


def test_others_are_read_on_before_a_sensor_that_hangs_is_left_out() -> None:
    gate = Gate()
    gate.open.clear()
    beside = Beside(gate)
    thread = SamplerThread(BoardSampler([gate, beside]))
    beside.sampler = thread.sampler
    thread.start()
    assert gate.reached.wait(30.0)
    assert beside.first.wait(30.0)
    assert beside.noted[0] is False
    gate.open.set()
    assert gate.third.wait(30.0)  # and it is read again itself
    assert thread.stop(30.0)


def begin(sampler: BoardSampler, *, at_s: float = 0.0) -> threading.Thread:
    """Step in a thread, which waits at a gate that is shut."""
    thread = threading.Thread(target=sampler.step, args=(at_s,), daemon=True)
    thread.start()
    return thread


def values(sampler: BoardSampler) -> list[float | None]:
    return [reading.value for reading in sampler.readings()]


def test_a_late_read_holds_up_no_other_and_counts_when_it_ends(clock: FakeClock) -> None:
    gate = Gate()
    gate.open.clear()
    sampler, heard = BoardSampler([gate, Beside(gate)], clock), list[str]()
    sampler.subscribe(lambda time_s, reader, values: heard.append(reader.name))
    first = begin(sampler)
    assert gate.reached.wait(30.0)
    assert [sampler.look() for _ in range(LATE + 1)] == [False] * (LATE - 1) + [True, False]
    assert sampler.step(0.0) == 1
    assert (values(sampler), sampler.blocked, sampler.late) == ([None, 1.0], [], True)
    assert sampler.step(0.001) == 1  # the others on their beat
    gate.open.set()
    first.join(30.0)
    assert (values(sampler), sampler.late) == ([1.0, 1.0], False)
    assert heard == ["beside", "beside", "gate"]
    assert sampler.step(0.002) == 2


def test_sensors_that_hang_are_left_out_together() -> None:
    gates = [Gate(), Gate()]
    sampler = BoardSampler(gates, lambda: 0.0)
    for gate in gates:
        gate.open.clear()
        begin(sampler)
        assert gate.reached.wait(30.0)
        for _ in range(LATE):
            sampler.look()
    for _ in range(HUNG - LATE):
        sampler.look()
    assert len(sampler.blocked) == 2
    for gate in gates:
        gate.open.set()


def test_a_step_waits_for_a_sensor_that_hangs_as_long_as_it_is_told_to() -> None:
    gate = Gate()
    gate.open.clear()
    sampler = BoardSampler([gate, Beside(gate)], lambda: 0.0)
    step_all(sampler, 0.0, looks=LATE + 1, look_s=0.01)
    assert (values(sampler), sampler.blocked) == ([None, 1.0], [])
    assert sampler.readings()[0].error == "not read yet"
    gate.open.set()


def test_it_reads_again_and_again_and_closes() -> None:
    gate = Gate()
    thread = SamplerThread(BoardSampler([gate]))
    thread.start()
    assert gate.third.wait(30.0)
    assert thread.stop(30.0)
    reads = gate.reads
    assert gate.closed
    assert reads >= 3
    assert thread.sampler.readings()[0].last == 1.0


def test_a_reader_can_be_hurried() -> None:
    gate = Gate()
    gate.period_s = 3600.0
    thread = SamplerThread(BoardSampler([gate]))
    thread.start()
    assert gate.reached.wait(30.0)
    for _ in range(2):
        gate.reached.clear()
        thread.hurry([gate], 0.0)
        assert gate.reached.wait(30.0)
    assert gate.third.wait(30.0)
    assert thread.stop(30.0)


def test_asking_does_not_wait_for_a_sensor_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    gate.open.clear()
    thread = SamplerThread(BoardSampler([gate]))
    thread.start()
    assert gate.reached.wait(30.0)
    assert thread.sampler.readings()[0].error == "not read yet"
    assert thread.sampler.energies() == {}
    assert not thread.stop(0.01)
    assert "has not answered" in caplog.text
    assert not gate.closed
    gate.open.set()
    assert thread.stop(30.0)
    assert gate.closed


def test_reads_are_watched_only_while_one_may_be_late() -> None:
    reading, due_s = True, 5.0
    sampler = SimpleNamespace(
        awaited=lambda: threading.current_thread() if reading else None, due=lambda now_s: due_s
    )
    thread = SamplerThread(cast(BoardSampler, sampler), lambda: 0.0, look_s=0.25)
    assert thread._pause_s() == 0.25
    reading = False
    assert thread._pause_s() == 5.25
