"""`tools/eval calls` counts recorded outputs that are read wrongly."""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import evals.calls
import pytest
from bootstrap.wheelhouse import pinned
from canitoolcall.fixtures import Expected, ExpectedToolCall, load_fixtures
from click.testing import CliRunner
from evallib.calls import recorded
from evallib.calls.recorded import Verdict
from evallib.calls.templates import fetched
from evals.main import main
from family_templates import FORMATS, written

VERDICTS = [
    Verdict("a/1", "model-a", passed=True, lost=False, why=""),
    Verdict("a/2", "model-a", passed=False, lost=True, why="no call"),
    Verdict("b/1", "model-b", passed=False, lost=False, why="other content"),
]
PIP = """#!/bin/sh
case "$*" in
*config*) echo "global.user='true'"; echo "global.index-url='https://packages.example'" ;;
*) [ "$PIP_INDEX_URL $PIP_CONFIG_FILE" = "https://packages.example /dev/null" ] || exit 3
   for last; do :; done; {then} ;;
esac
"""


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


@pytest.mark.parametrize(
    ("made", "lost"),
    [
        ({"a": "x", "b": 1}, False),
        ({"a": "x", "b": 1.0, "c": 2}, False),
        ({"a": "x"}, True),
        ({"a": "x", "b": "1"}, True),
        ({"a": "x", "b": True}, True),
        ({"a": "", "b": 1}, True),
    ],
)
def test_an_argument_is_lost_whose_name_or_value_is_not_told(
    made: dict[str, object], lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Expected(None, None, (ExpectedToolCall("f", {"a": "x", "b": 1}),))
    text = written(FORMATS["HERMES"], ("f", made))
    fixture = replace(next(iter(load_fixtures())), raw_output=text, expected=wanted)
    monkeypatch.setattr(recorded, "load_fixtures", lambda: [fixture])
    (verdict,) = recorded.judged(lambda _: FORMATS["HERMES"])
    assert verdict.lost == lost


def test_templates_are_fetched_whatever_else_pip_is_set_to(
    cache: Path, script: Callable[[Path, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = cache / f"llama_cpp_python-{pinned()}.tar.gz"
    member = cache / "x/vendor/llama.cpp/models/templates/a.jinja"
    member.parent.mkdir(parents=True)
    member.write_text("{{ x }}")
    with tarfile.open(archive, "w:gz") as files:
        files.add(cache / "x", "x")
    python = script(cache / "python", PIP.replace("{then}", f'cp {archive} "$last"'))
    monkeypatch.setattr(sys, "executable", str(python))
    assert [one.name for one in fetched(cache).iterdir()] == ["a.jinja"]


def test_an_archive_that_pip_cannot_get_is_told(
    cache: Path, script: Callable[[Path, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    python = script(cache / "python", PIP.replace("{then}", "echo no route to host; exit 1"))
    monkeypatch.setattr(sys, "executable", str(python))
    said = CliRunner().invoke(main, ["calls"])
    assert said.exit_code == 1
    assert "no route to host" in said.output
    assert f"{cache}/logs/templates.log" in said.output
