"""A held file reads what is there now, and says why where there is nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from faults import Faults
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board.readers.sysfs import FileIo, HeldFile, numbered

ANY = (-(10**18), 10**18)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "temp"
    path.write_text("41500\n")
    return path


def test_a_file_is_opened_once_and_read_anew(path: Path, faults: Faults) -> None:
    file = HeldFile(path, faults.io)
    assert file.number(*ANY) == 41500
    path.write_text("-7\n")
    assert file.number(*ANY) == -7
    assert faults.opened == 1


def test_a_file_that_goes_and_comes_back_is_found_again(path: Path) -> None:
    file = HeldFile(path)
    assert file.number(*ANY) == 41500
    path.unlink()
    assert file.number(*ANY) is None
    assert "ENOENT" in (file.error or "")
    path.write_text("42000\n")
    assert file.number(*ANY) == 42000
    assert file.error is None


def test_a_file_that_is_replaced_is_read_from_its_successor(path: Path) -> None:
    file = HeldFile(path)
    assert file.number(*ANY) == 41500
    new = path.with_name("new")
    new.write_text("43000\n")
    new.replace(path)
    assert file.number(*ANY) == 43000


@pytest.mark.parametrize("error", [errno.ENODEV, errno.ENOENT, errno.EBADF, errno.ESRCH])
def test_a_device_that_came_anew_costs_no_reading(path: Path, faults: Faults, error: int) -> None:
    file = HeldFile(path, faults.io)
    assert file.number(*ANY) == 41500
    faults.errors[path] = [error, None]
    assert file.number(*ANY) == 41500
    assert faults.opened == 2


def test_eagain_is_tried_twice(path: Path, faults: Faults) -> None:
    file = HeldFile(path, faults.io)
    faults.errors[path] = [errno.EAGAIN, None]
    assert file.number(*ANY) == 41500
    faults.errors[path] = [errno.EAGAIN, errno.EAGAIN, None]
    assert file.number(*ANY) is None
    assert "EAGAIN" in (file.error or "")
    assert file.number(*ANY) == 41500
    assert faults.opened == 1


@pytest.mark.parametrize("error", [errno.EIO, errno.ENODATA, errno.EACCES, errno.ETIMEDOUT])
def test_other_errors_are_told_and_pass(path: Path, faults: Faults, error: int) -> None:
    file = HeldFile(path, faults.io)
    faults.errors[path] = [error, None]
    assert file.number(*ANY) is None
    assert errno.errorcode[error] in (file.error or "")
    assert file.errno == error
    assert file.number(*ANY) == 41500


@pytest.mark.parametrize("content", [b"", b"\n", b"nan", b"12 34", b"\xff\xfe", b"0x10", b"1.5"])
def test_what_is_no_number_is_an_error(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    file = HeldFile(path)
    assert file.number(*ANY) is None
    assert "temp" in (file.error or "")


def test_what_cannot_be_is_an_error(path: Path) -> None:
    file = HeldFile(path)
    assert file.number(0, 41499) is None
    assert "41500" in (file.error or "")
    assert file.number(41500, 41500) == 41500


@given(st.binary(max_size=80))
def test_no_content_ever_raises(content: bytes) -> None:
    file = HeldFile(Path("/any"), FileIo(lambda *_: 3, lambda *_: content, lambda _: True, print))
    value = file.number(-50, 50)
    assert (value is None) == (file.error is not None)
    assert value is None or -50 <= value <= 50


def test_closing_keeps_the_file_usable(path: Path, faults: Faults) -> None:
    file = HeldFile(path, faults.io)
    assert file.number(*ANY) == 41500
    file.close()
    file.close()
    assert file.number(*ANY) == 41500


def test_a_closed_descriptor_is_no_error(path: Path, faults: Faults) -> None:
    opened: list[int] = []

    def remember(path: Path, flags: int) -> int:
        opened.append(os.open(path, flags))
        return opened[-1]

    file = HeldFile(path, FileIo(open=remember))
    assert file.number(*ANY) == 41500
    os.close(opened[0])
    assert file.number(*ANY) == 41500
    file.close()


def test_numbers_in_names_are_sorted_as_numbers(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        (tmp_path / f"hwmon{number}").mkdir()
    assert [p.name for p in numbered(tmp_path, "hwmon*")] == ["hwmon1", "hwmon2", "hwmon10"]
    assert numbered(tmp_path / "none", "*") == []


def test_a_file_that_is_dropped_gives_its_descriptor_back(tmp_path: Path) -> None:
    (tmp_path / "value").write_text("1")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        assert HeldFile(tmp_path / "value").number(0, 9) == 1
    assert len(list(Path("/proc/self/fd").iterdir())) == before
