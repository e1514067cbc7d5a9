"""A ledger that the daemon cannot write is found, with a reason where one can be seen."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import board_reports as boards
import pytest
from patients import PI, Patient, commands

from edge_rt.cli.doctor.check_daemon import check_ledger
from edge_rt.core.reports.finding import Finding

Make = Callable[..., Patient]
Daemon = Any  # the scripted daemon of tests/cli/conftest.py

LEDGER = "/edge/v1/ledger?days=1&last=0"


def found(board: Patient, daemon: Daemon, stored: bool) -> list[Finding]:
    told = {"stored": stored, "days": [], "models": [], "last": []}
    daemon.documents[LEDGER] = (200, told)
    return list(check_ledger(board.machine(socket=daemon.path)))


def test_a_ledger_that_is_written_is_fine(patient: Make, daemon: Daemon) -> None:
    (one,) = found(patient("pi5"), daemon, stored=True)
    assert one.level == "ok"


def test_without_a_daemon_nothing_is_said(patient: Make) -> None:
    assert patient("pi5").says(check_ledger) == []


def test_a_daemon_that_tells_no_ledger_is_not_judged(patient: Make, daemon: Daemon) -> None:
    board = patient("pi5")
    assert list(check_ledger(board.machine(socket=daemon.path))) == []


def test_one_in_memory_is_a_problem(patient: Make, daemon: Daemon) -> None:
    board = patient("pi5", user=PI)
    (one,) = found(board, daemon, stored=False)
    assert one.level == "problem"
    assert one.what.endswith("in memory only: it will be lost when the daemon ends")
    assert "log" in commands([one])


def test_what_the_daemon_says_of_it_is_told(patient: Make, daemon: Daemon) -> None:
    fault = "all is in memory: ledger.db: it is of a newer edge_rt (version 6, this one knows 5)"
    storage = {"files": [], "failing": {"ledger.db": fault}, "aside": [], "free_bytes": 1}
    daemon.documents["/edge/v1/status"] = (200, boards.status(storage=storage))
    (one,) = found(patient("pi5", user=PI), daemon, stored=False)
    assert fault in one.what


def test_the_reason_is_told_where_it_can_be_seen(patient: Make, daemon: Daemon) -> None:
    board = patient("pi5", user=PI)
    file = board.paths.state / "ledger.db"
    file.mkdir(parents=True)
    (one,) = found(board, daemon, stored=False)
    assert f"{file} is a directory" in one.what
    other = board.place / "notes"
    other.write_text("mine")
    board.paths.config_file.write_text(f"ledger: {{path: {other}}}\n")
    (one,) = found(board, daemon, stored=False)
    assert f"{other} is no SQLite database" in one.what


def test_a_full_disk_is_told(
    patient: Make, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=4096))
    (one,) = found(patient("pi5"), daemon, stored=False)
    assert "the disk is full" in one.what
