"""CPU time is what procfs says, and None where it says nothing of use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_rt.board.readers.cpu import CpuReader

TICKS = os.sysconf("SC_CLK_TCK")
FIELDS = "S 1 2 3 4 -1 5 6 7 8 9 {user} {system} 300 400 20 0 1 0 99 1000 2000"


@pytest.fixture
def reader(tmp_path: Path) -> CpuReader:
    return CpuReader(tmp_path)


def write_process(root: Path, pid: int, name: str, user: int = 150, system: int = 50) -> None:
    (root / str(pid)).mkdir()
    fields = FIELDS.format(user=user, system=system)
    (root / str(pid) / "stat").write_text(f"{pid} ({name}) {fields}\n")


def test_idle_waiting_and_guest_time_is_not_counted(reader: CpuReader, tmp_path: Path) -> None:
    #       user nice system idle iowait irq softirq steal guest guest_nice
    line = "cpu  100 20 30 9999 8888 4 5 6 7777 6666\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
    (tmp_path / "stat").write_text(line)
    assert reader.board_s() == pytest.approx(165 / TICKS)


def test_kernels_that_tell_less_are_read_too(reader: CpuReader, tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu 100 20 30 9999 8888\n")
    assert reader.board_s() == pytest.approx(150 / TICKS)


@pytest.mark.parametrize(
    "content", ["", "\n", "cpu\n", "cpu  a b c d\n", "intr 1 2 3 4 5\n", "cpu0 1 2 3 4\n"]
)
def test_garbage_for_the_board_is_none(reader: CpuReader, tmp_path: Path, content: str) -> None:
    (tmp_path / "stat").write_text(content)
    assert reader.board_s() is None


def test_bytes_that_are_no_text_are_none(reader: CpuReader, tmp_path: Path) -> None:
    (tmp_path / "stat").write_bytes(b"cpu \xff\xfe 1 2\n")
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_bytes(b"\xff\xfe")
    assert reader.board_s() is None
    assert reader.process_s(7) is None


def test_what_is_missing_is_none(reader: CpuReader) -> None:
    assert reader.board_s() is None
    assert reader.process_s(7) is None


@pytest.mark.parametrize("name", ["python3", "tmux: server", "a) b (c", ")", "(sd-pam)", ""])
def test_the_name_of_a_process_does_not_matter(
    reader: CpuReader, tmp_path: Path, name: str
) -> None:
    write_process(tmp_path, 7, name)
    assert reader.process_s(7) == pytest.approx(200 / TICKS)


@pytest.mark.parametrize("content", ["", "7 (x)", "7 (x) S 1 2 3", "7 (x) " + "z " * 40])
def test_garbage_for_a_process_is_none(reader: CpuReader, tmp_path: Path, content: str) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text(content)
    assert reader.process_s(7) is None


def test_this_board_and_process_have_used_time() -> None:
    reader = CpuReader()
    board, own = reader.board_s(), reader.process_s(os.getpid())
    assert board is not None
    assert own is not None
    assert 0 <= own <= board
