"""A ledger that cannot be, or that would take the place of another file, is told of by its key."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge_rt.config.checks import ledger_faults
from edge_rt.config.schema import Config, Ledger


def reasons(path: str | Path | None) -> list[str]:
    found = list(ledger_faults(Config(ledger=Ledger(path=None if path is None else str(path)))))
    assert {key for key, _ in found} <= {("ledger", "path")}
    return [reason for _, reason in found]


def database(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE days (day)")
    return path


def test_what_can_be_a_ledger_passes(tmp_path: Path) -> None:
    empty, damaged = tmp_path / "empty", tmp_path / "ledger.db"
    empty.touch()
    damaged.write_bytes(bytes(4096))  # the daemon puts it aside: a start must not fail for it
    there = database(tmp_path / "joules")
    for path in (None, empty, damaged, there, tmp_path / "new", tmp_path / "a" / "b" / "new.db"):
        assert reasons(path) == []


def test_a_directory_and_what_lies_below_a_file_cannot_be_one(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for path, told in (
        ("/", "/ is a directory: name a file in it"),
        (tmp_path, "is a directory"),
        (f"{tmp_path}/new/", "is a directory"),
        (f"{tmp_path}/new/..", "is a directory"),
        (file / "ledger.db", f"{file} is no directory"),
        (file / "a" / "ledger.db", f"{file} is no directory"),
    ):
        [reason] = reasons(path)
        assert told in reason


@pytest.mark.parametrize("content", [b"a-board\n", b"x", bytes(4096)])
def test_a_file_of_others_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "hostname"
    file.write_bytes(content)
    [reason] = reasons(file)
    assert f"{file} is no SQLite database" in reason


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "ledger.db"
    os.mkfifo(pipe)
    for path in (pipe, "/dev/null"):
        [reason] = reasons(path)
        assert "is no regular file" in reason
