"""A bundle is for the eyes of its owner, and never takes the place of another file."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from edge_rt.cli.doctor.bundle import write_archive
from edge_rt.cli.exits import CommandFailure

PAPERS = {"b.txt": b"two", "a.json": b"{}"}


def test_what_is_put_in_comes_out(tmp_path: Path) -> None:
    write_archive(tmp_path / "x.tar.gz", PAPERS, 1_000.5)
    with tarfile.open(tmp_path / "x.tar.gz", "r:gz") as archive:
        members = archive.getmembers()
        contents = {m.name: archive.extractfile(m).read() for m in members}  # type: ignore[union-attr]
    assert contents == {"edge-rt-support/a.json": b"{}", "edge-rt-support/b.txt": b"two"}
    assert {(m.mode, m.mtime, m.uid, m.uname) for m in members} == {(0o600, 1000, 0, "")}


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_only_the_owner_reads_it(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        write_archive(tmp_path / "x.tar.gz", PAPERS, 0)
    finally:
        os.umask(before)
    assert (tmp_path / "x.tar.gz").stat().st_mode & 0o777 == 0o600


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("mine", "link"):
        with pytest.raises(CommandFailure, match="there already"):
            write_archive(tmp_path / name, PAPERS, 0)
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_a_place_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandFailure, match=r"cannot write .*missing"):
        write_archive(tmp_path / "missing" / "x", PAPERS, 0)
