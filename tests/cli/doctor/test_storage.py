"""Files that the daemon cannot write are a problem, damaged ones worth a note."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import board_reports as boards
import pytest
from patients import PI, Patient, commands

from edge_rt.cli.doctor.check_daemon import check_storage
from edge_rt.core.reports.finding import Finding

Make = Callable[..., Patient]
Daemon = Any  # the scripted daemon of tests/cli/conftest.py


@pytest.fixture
def found(patient: Make, daemon: Daemon) -> Callable[..., list[Finding]]:
    board = patient("pi5", user=PI)

    def tell(**storage: Any) -> list[Finding]:
        told = {"files": [], "failing": {}, "aside": [], "free_bytes": 1} | storage
        daemon.documents["/edge/v1/status"] = (200, boards.status(storage=told))
        return list(check_storage(board.machine(socket=daemon.path)))

    return tell


def test_where_all_is_well_nothing_is_said(found: Callable[..., list[Finding]]) -> None:
    assert found() == []


def test_a_file_that_fails_is_a_problem_but_for_the_ledger_which_has_its_own(
    found: Callable[..., list[Finding]],
) -> None:
    (one,) = found(failing={"ledger.db": "x", "cache.db": "answers are\nlost: disk full"})
    assert (one.level, one.what) == ("problem", "cache.db: answers are lost: disk full")
    assert "log" in commands([one])


def test_a_file_that_was_put_aside_is_noted(found: Callable[..., list[Finding]]) -> None:
    (one,) = found(aside=["cache.db.corrupt-5"])
    assert one.level == "note"
    assert "cache.db.corrupt-5 was damaged" in one.what
    assert "cache.db.corrupt-5" in one.remedy[0]
