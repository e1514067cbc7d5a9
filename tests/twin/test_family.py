"""Children are found at once, whoever bears them, and stay until they end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_rt.twin.load import Family


def born(proc: Path, pid: int, parent: int) -> None:
    (proc / str(pid)).mkdir(exist_ok=True)
    (proc / str(pid) / "stat").write_text(f"{pid} (a ) b) S {parent} 0")


def test_generations_are_found_in_one_look_in_whatever_order_they_are_numbered(
    tmp_path: Path,
) -> None:
    born(tmp_path, 50, 1)
    born(tmp_path, 20, 50)  # the numbers have begun again
    born(tmp_path, 30, 20)
    born(tmp_path, 10, 30)
    born(tmp_path, 60, 1)
    family = Family(50, tmp_path)
    assert family.pids() == (10, 20, 30, 50)
    born(tmp_path, 70, 10)
    assert family.pids() == (10, 20, 30, 50, 70)


def test_an_orphan_stays(tmp_path: Path) -> None:
    born(tmp_path, 10, 1)
    born(tmp_path, 20, 10)
    born(tmp_path, 30, 20)
    family = Family(10, tmp_path)
    assert family.pids() == (10, 20, 30)
    (tmp_path / "20" / "stat").unlink()
    (tmp_path / "20").rmdir()
    born(tmp_path, 30, 1)
    assert family.pids() == (10, 30)


def test_a_number_given_again_to_a_stranger_is_no_member(tmp_path: Path) -> None:
    born(tmp_path, 10, 1)
    born(tmp_path, 20, 10)
    family = Family(10, tmp_path)
    family.pids()
    (tmp_path / "20" / "stat").unlink()
    (tmp_path / "20").rmdir()
    assert family.pids() == (10,)
    born(tmp_path, 20, 1)
    assert family.pids() == (10,)


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    born(tmp_path, 10, 1)
    (tmp_path / "20").mkdir()
    (tmp_path / "30").mkdir()
    (tmp_path / "30" / "stat").write_bytes(b"")
    (tmp_path / "self").mkdir()
    assert Family(10, tmp_path).pids() == (10,)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_a_real_child_is_found_and_missed(child: subprocess.Popen[bytes]) -> None:
    # This process is never counted, so it watches as its parent would.
    family = Family(child.pid)
    assert family.pids() == (child.pid,)
    child.kill()
    child.wait()
    assert family.pids() == ()
    assert os.getpid() not in family.pids()
