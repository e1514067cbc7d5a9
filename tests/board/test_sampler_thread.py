"""The thread reads on while its owner waits, and ends when told to."""

from __future__ import annotations

import threading

import pytest

from edge_rt.board.readers.base import BaseReader, Channel
from edge_rt.board.sampler import Sampler
from edge_rt.board.sampler_thread import SamplerThread


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


def test_it_reads_again_and_again_and_closes() -> None:
    gate = Gate()
    thread = SamplerThread(Sampler([gate]))
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
    thread = SamplerThread(Sampler([gate]))
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
    thread = SamplerThread(Sampler([gate]))
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
