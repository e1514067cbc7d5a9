"""What the daemon itself finds is told by doctor, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import board_reports as boards
import pytest
from governed import governor
from patients import PI, Patient, commands

from edge_rt.cli.doctor.check_daemon import check_findings
from edge_rt.cli.text import Json
from edge_rt.core.reports.finding import Finding

Make = Callable[..., Patient]
Daemon = Any  # the scripted daemon of tests/cli/conftest.py


@pytest.fixture
def found(patient: Make, daemon: Daemon) -> Callable[..., list[Finding]]:
    board = patient("pi5", user=PI)

    def tell(**told: Any) -> list[Finding]:
        daemon.documents["/edge/v1/status"] = (200, boards.status(**told))
        return list(check_findings(board.machine(socket=daemon.path)))

    return tell


def finding(code: str, message: str) -> Json:
    return {"code": code, "message": message, "fatal": False}


def test_without_a_daemon_nothing_is_said(patient: Make) -> None:
    assert patient("pi5").says(check_findings) == []


def test_where_all_is_well_the_caps_are_told(found: Callable[..., list[Finding]]) -> None:
    assert found() == []
    budget = dict.fromkeys(governor()["budget"]) | {"power_w": 8.0, "temp_c": 70.0}
    (one,) = found(governor=governor(budget=budget))
    assert (one.level, one.what) == ("ok", "8.00 W, 70.0 °C")


@pytest.mark.parametrize("code", ["budget", "knob", "storage", "sensor", "model_not_found"])
def test_what_somebody_has_to_mend_is_a_problem(
    found: Callable[..., list[Finding]], code: str
) -> None:
    (one,) = found(problems=[finding(code, "it is\nlost: disk full")])
    assert (one.id, one.level, one.what) == (code, "problem", "it is lost: disk full")
    assert "log" in commands([one])


@pytest.mark.parametrize("code", ["supply", "waiting"])
def test_what_passes_is_a_note(found: Callable[..., list[Finding]], code: str) -> None:
    (one,) = found(problems=[finding(code, "1 request waits")])
    assert (one.id, one.level) == (code, "note")


def test_an_empty_store_is_left_to_the_check_of_models(found: Callable[..., list[Finding]]) -> None:
    assert found(problems=[finding("no_model", "none")]) == []


def test_sensors_that_the_governor_misses_are_told(found: Callable[..., list[Finding]]) -> None:
    gap = "No power can be read: watts are kept by a model of the board."
    told = [(one.level, one.what) for one in found(governor=governor(missing=[gap]))]
    assert ("note", gap) in told


def test_a_file_that_was_put_aside_is_noted(found: Callable[..., list[Finding]]) -> None:
    told = {"files": [], "failing": {}, "aside": ["cache.db.corrupt-5"], "free_bytes": 1}
    (one,) = found(storage=told)
    assert one.level == "note"
    assert "cache.db.corrupt-5 was damaged" in one.what
    assert "cache.db.corrupt-5" in one.remedy[0]
