"""How figures of the governor's benchmark come about; nothing is served here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchlib import BenchError, daemon
from benchlib.govern import Ask, Found, Say
from benchlib.server import Settings
from benchmarks import govern
from benchmarks.govern import PARTS, VALUES, command, report_of, worst
from click.testing import CliRunner

SETTINGS = Settings(Path("m.gguf"), "m", 1024, 1, threads=None)


def test_of_what_two_parts_tell_the_worse_counts() -> None:
    assert worst("plant_ok_min", [0.999, 0.996]) == 0.996
    assert worst("throttles", [0.0, 2.0]) == 2.0
    assert worst("throttles_without", [1.0, None]) == 1.0
    assert worst("vs_integral", [None, None]) is None


def test_the_report_has_all_values_and_says_none_of_what_was_not_measured() -> None:
    parts = [
        Found(values={"vs_integral": 0.97, "of_no_key": 1.0}, details={"plant": {"cases": 6}}),
        Found(values={"vs_integral": 0.95}, details={"scenes": 1}, notes=["a note"]),
    ]
    report = report_of(parts, {"quick": True})
    assert tuple(report.values) == VALUES
    assert report.values["vs_integral"] == 0.95
    assert report.values["plant_ok_min"] is None
    assert report.details == {"plant": {"cases": 6}, "scenes": 1}
    assert report.notes == ["a note"]
    assert report.about["quick"] is True


def test_the_parts_can_be_chosen_by_name() -> None:
    shown = CliRunner().invoke(command, ["--help"]).output
    assert all(name in shown for name in PARTS)
    assert CliRunner().invoke(command, ["--part", "nosuch"]).exit_code == 2


def test_the_daemon_gets_further_sections_of_its_configuration() -> None:
    written = daemon.config(SETTINGS, Path("/nowhere/l.db"), {"sensors": {"root": "/tree"}})
    assert json.loads(written)["sensors"] == {"root": "/tree"}


def test_a_part_that_fails_ends_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(say: Say, ask: Ask) -> Found:
        raise BenchError("rejected")

    def works(say: Say, ask: Ask) -> Found:
        return Found(values={"throttles": 1.0 if ask.quick else 2.0})

    monkeypatch.setattr(govern, "PARTS", {"plant": fails, "scenes": works})
    said: list[str] = []
    found, failed = govern.run(["plant", "scenes"], Ask(quick=True), said.append)
    assert [one.values for one in found] == [{"throttles": 1.0}]
    assert failed == ["plant: rejected"]
    assert set(failed) <= set(said)
