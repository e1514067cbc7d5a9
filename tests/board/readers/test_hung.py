"""A sensor that never answers takes no other with it, and is named with its file."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from trees import orin_nano

from edge_rt.board.discovery import Discovery, Roots, discover
from edge_rt.board.readers.base import Channel, Hung, hung, within
from edge_rt.board.readers.clocks import GaugeReader, temperature
from edge_rt.board.readers.sysfs import FileIo, HeldFile, first_line, open_regular
from edge_rt.board.sampler import BoardSampler
from edge_rt.board.sampler_thread import SamplerThread, step_all
from edge_rt.testing.board import FakeBoard


class Bus:
    """File calls that block in read(2), for the paths in `hanging`, until `answer`."""

    def __init__(self) -> None:
        self.hanging: set[Path] = set()
        self._paths: dict[int, Path] = {}
        self._wait, self._end = os.pipe()
        self.io = FileIo(open=self._open, pread=self._pread)

    def answer(self) -> None:
        """Have all reads return, now and from now on."""
        self.hanging.clear()
        end, self._end = self._end, -1
        if end >= 0:
            os.close(end)

    def answer_once(self) -> None:
        """Have all reads return that wait now; none hangs until it is told to again."""
        self.answer()
        self._wait, self._end = os.pipe()

    def _open(self, path: Path, flags: int) -> int:
        fd = open_regular(path, flags)
        self._paths[fd] = path
        return fd

    def _pread(self, fd: int, size: int, offset: int) -> bytes:
        if self._paths[fd] in self.hanging:
            os.read(self._wait, 1)
        return os.pread(fd, size, offset)


@pytest.fixture
def bus() -> Iterator[Bus]:
    bus = Bus()
    yield bus
    bus.answer()


def eventually(condition: Callable[[], object]) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("not within 30 s")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "hangs", tmp_path / "answers"
    for path in paths:
        path.write_text("40000\n")
    return paths


def readers(files: tuple[Path, Path], bus: Bus) -> list[GaugeReader]:
    return [GaugeReader(p.name, [temperature(p.name, p)], 0.01, io=bus.io) for p in files]


def test_a_reader_that_blocks_is_left_out_alone_and_comes_back(
    files: tuple[Path, Path], bus: Bus
) -> None:
    sampler = BoardSampler(readers(files, bus))
    thread = SamplerThread(sampler, look_s=0.02)

    def values() -> list[float | None]:
        return [reading.value for reading in sampler.readings()]

    thread.start()
    try:
        eventually(lambda: values() == [40.0, 40.0])
        bus.hanging.add(files[0])
        eventually(lambda: sampler.blocked)
        files[1].write_text("50000\n")
        eventually(lambda: values() == [None, 50.0])
        (one,) = sampler.blocked
        assert (one.name, one.waiting) == ("hangs", True)
        assert str(files[0]) in one.reason
        assert sampler.readings()[0].error == one.reason
        bus.answer()
        eventually(lambda: values() == [40.0, 50.0])
        assert not sampler.blocked
    finally:
        bus.answer()
        assert thread.stop(30.0)


def test_a_file_that_blocks_takes_no_other_of_its_reader_with_it(
    files: tuple[Path, Path], bus: Bus
) -> None:
    """Heat is still watched by the other zones where one hangs."""
    zones = [temperature(path.name, path) for path in files]
    sampler = BoardSampler([GaugeReader("thermal", zones, 0.01, io=bus.io)])
    thread = SamplerThread(sampler, look_s=0.02)

    def values() -> list[float | None]:
        return [reading.value for reading in sampler.readings()]

    thread.start()
    try:
        for hangs in (files[0], files[1], files[0]):
            bus.hanging.add(hangs)
            eventually(lambda: len(sampler.blocked) == 1)
            (one,) = sampler.blocked
            assert (one.name, str(hangs) in one.reason) == (hangs.name, True)
            answers = files[1 - files.index(hangs)]
            answers.write_text("50000\n")
            without = [None if path is hangs else 50.0 for path in files]
            eventually(lambda without=without: values() == without)
            bus.answer_once()
            with_it = [40.0 if path is hangs else 50.0 for path in files]
            eventually(lambda with_it=with_it: values() == with_it)
            assert not sampler.blocked
            answers.write_text("40000\n")
            eventually(lambda: values() == [40.0, 40.0])
    finally:
        bus.answer()
        assert thread.stop(30.0)


def test_all_readers_may_block(files: tuple[Path, Path], bus: Bus) -> None:
    bus.hanging |= set(files)
    sampler = BoardSampler(readers(files, bus))
    thread = SamplerThread(sampler, look_s=0.02)
    thread.start()
    eventually(lambda: len(sampler.blocked) == 2)
    assert not thread.stop(30.0)  # it ends, and closes no file that is being read
    bus.answer()


def test_one_step_leaves_out_what_blocks(files: tuple[Path, Path], bus: Bus) -> None:
    bus.hanging.add(files[0])
    sampler = BoardSampler(readers(files, bus), lambda: 0.0)
    step_all(sampler, 0.0, look_s=0.02)
    assert [reading.value for reading in sampler.readings()] == [None, 40.0]
    assert [one.name for one in sampler.blocked] == ["hangs"]


def test_work_that_ends_gives_its_result_or_error() -> None:
    assert within("sum", lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        within("ratio", lambda: 1 // 0)


def test_work_that_never_ends_is_named() -> None:
    gate = threading.Event()
    with pytest.raises(Hung) as caught:
        within("gate", lambda: gate.wait(60), 0.01)
    gate.set()
    assert caught.value.skipped.name == "gate"


def test_without_a_file_on_the_stack_the_first_source_is_named() -> None:
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait, args=(60,), daemon=True)
    thread.start()
    told = hung("other", thread, [Channel("VDD_IN", "power_w", "other VDD_IN")])
    gate.set()
    assert "of other VDD_IN does not return" in told.reason


def test_a_fifo_is_refused_and_its_successor_read(tmp_path: Path) -> None:
    path = tmp_path / "temp"
    os.mkfifo(path)
    file = HeldFile(path)
    assert file.number(0, 10**6) is None
    assert "not a regular file" in (file.error or "")
    assert first_line(path) is None
    path.unlink()
    path.write_text("41000\n")
    assert file.number(0, 10**6) == 41000


def test_a_fifo_is_refused_also_while_somebody_writes(tmp_path: Path) -> None:
    path = tmp_path / "temp"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)
    assert HeldFile(path).read() is None
    assert first_line(path) is None
    os.close(writer)


def look(tree: FakeBoard, bus: Bus) -> Discovery:
    """Those that do not block answer within 2 s also where QEMU runs the program."""
    return discover(Roots(tree.sysfs, tree.proc, tree.dev), io=bus.io, patience_s=2.0)


def test_what_blocks_at_discovery_is_skipped_alone(
    tree: FakeBoard, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    orin_nano(tree)
    gate = threading.Event()

    def zones(sysfs: Path, io: FileIo) -> GaugeReader:
        gate.wait(60)
        return GaugeReader("thermal", [], 1.0)

    monkeypatch.setattr("edge_rt.board.discovery.ThermalReader", zones)
    found = look(tree, bus)
    gate.set()
    assert "thermal" not in {reader.name for reader in found.readers}
    assert {"ina3221", "fan", "memory"} <= {reader.name for reader in found.readers}
    (one,) = [skipped for skipped in found.skipped if skipped.thread is not None]
    assert (one.name, str(tree.sysfs) in one.reason) == ("thermal", True)


def test_a_power_chip_that_blocks_at_discovery_is_skipped_alone(tree: FakeBoard, bus: Bus) -> None:
    orin_nano(tree)
    bus.hanging |= set(tree.sysfs.rglob("curr1_input"))
    bus.hanging |= {path.resolve() for path in bus.hanging}
    found = look(tree, bus)
    assert "ina3221" not in {reader.name for reader in found.readers}
    assert "thermal" in {reader.name for reader in found.readers}
    (one,) = [skipped for skipped in found.skipped if skipped.thread is not None]
    assert one.name == "ina3221"
    assert "curr1_input" in one.reason
