"""`tools/eval calls` counts recorded outputs that are read wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import evals.calls
import pytest
from click.testing import CliRunner
from evallib.calls.recorded import Verdict
from evals.main import main

VERDICTS = [
    Verdict("a/1", "model-a", passed=True, lost=False, why=""),
    Verdict("a/2", "model-a", passed=False, lost=True, why="no call"),
    Verdict("b/1", "model-b", passed=False, lost=False, why="other content"),
]


def test_figures_are_written_and_failures_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evals.calls, "judged", lambda _: iter(VERDICTS))
    result = tmp_path / "calls.json"
    argv = ["calls", "--templates", str(tmp_path), "--json", str(result)]
    said = CliRunner().invoke(main, argv, catch_exceptions=False)
    assert json.loads(result.read_text()) == {
        "tool_outputs": 3,
        "tool_fail_all": 2,
        "tool_lost_all": 1,
        "failed": ["a/2", "b/1"],
    }
    assert said.output.splitlines() == [
        "model-a: 1 of 2 failed",
        "model-b: 1 of 1 failed",
        "a/2: no call",
        "b/1: other content",
    ]
