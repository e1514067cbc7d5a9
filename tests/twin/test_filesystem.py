"""Files change without being seen half written, go away, and come back."""

from __future__ import annotations

import os
from pathlib import Path

from edge_rt.board.readers.sysfs import HeldFile
from edge_rt.twin.filesystem import NumberFile


def number(file: HeldFile) -> int | None:
    return file.number(-(10**6), 10**6)


def test_a_reader_may_keep_the_file_open(tmp_path: Path) -> None:
    gauge, held = NumberFile(tmp_path / "temp"), HeldFile(tmp_path / "temp")
    sizes = set()
    for value in (45_000, 7, -392, 100_000):
        gauge.put(str(value))
        assert number(held) == value
        sizes.add((tmp_path / "temp").stat().st_size)
    assert len(sizes) == 1


def test_a_file_that_refuses_to_be_read_comes_back(tmp_path: Path) -> None:
    file, held = NumberFile(tmp_path / "temp"), HeldFile(tmp_path / "temp")
    file.put("1")
    assert number(held) == 1
    for _ in range(2):
        file.refuse()
        assert number(held) is None
        assert "ENXIO" in (held.error or "")
    file.put("4")
    assert number(held) == 4


def test_what_somebody_writes_is_taken_once(tmp_path: Path) -> None:
    gauge = NumberFile(tmp_path / "scaling_max_freq")
    assert gauge.taken() is None
    gauge.put("2400000")
    assert gauge.taken() is None
    gauge.path.write_text("1200000\n")
    assert gauge.taken() == 1_200_000
    gauge.put("1200000")
    assert gauge.taken() is None
    for nonsense in ("", "\n", "fast\n"):
        gauge.path.write_text(nonsense)
        assert gauge.taken() is None


def test_what_is_shown_already_is_not_written_again(tmp_path: Path) -> None:
    gauge = NumberFile(tmp_path / "temp")
    gauge.put("1")
    os.utime(gauge.path, ns=(0, 0))
    gauge.put("1")
    assert gauge.path.stat().st_mtime_ns == 0


def test_a_file_that_is_dropped_leaves_no_descriptor(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    gauge = NumberFile(tmp_path / "temp")
    gauge.put("40000")
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    del gauge
    assert len(list(Path("/proc/self/fd").iterdir())) == before
