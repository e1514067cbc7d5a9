"""`router` shows marks, and forgets only what is named."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from edge_rt.cli.commands.router import router_table

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any
Json = dict[str, Any]

PATH, RESET = "/edge/v1/router", "/edge/v1/router/reset"
MARKS = {"model": "big", "mode": "switch:ead", "good": 3.0, "bad": 0.5}


def report(**others: Any) -> Json:
    return {"stored": True, "marks": [MARKS]} | others


def shown(document: Json) -> list[str]:
    file = io.StringIO()
    Console(width=100, file=file).print(router_table(document))
    return [" ".join(line.split()) for line in file.getvalue().splitlines() if line.strip()]


def test_the_marks_of_a_model_in_a_mode() -> None:
    assert shown(report()) == ["model good bad", "big, switch:ead 3.0 0.5"]


def test_nothing_yet_and_a_file_that_fails() -> None:
    lines = shown(report(marks=[], stored=False))
    assert "cannot be written" in lines[0]
    assert lines[1] == "No answer is marked."


def test_show(cli: Cli, daemon: Daemon) -> None:
    daemon.documents[PATH] = 200, report()
    assert "switch:ead" in cli("router", "show").output
    assert json.loads(cli("router", "show", "--json").output) == report()


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        (["--model", "big"], {"model": "big"}),
        (["--model", "big", "--mode", "single"], {"model": "big", "mode": "single"}),
        (["--all"], {}),
    ],
)
def test_what_is_named_is_forgotten(cli: Cli, daemon: Daemon, said: list[str], sent: Json) -> None:
    daemon.documents[RESET] = 200, {"models": 2}
    assert cli("router", "reset", *said).output == "2 rows forgotten\n"
    assert daemon.asked == [(RESET, sent)]


@pytest.mark.parametrize("said", [[], ["--all", "--model", "big"]])
def test_nothing_is_forgotten_by_mistake(cli: Cli, daemon: Daemon, said: list[str]) -> None:
    assert cli("router", "reset", *said).exit_code == 2
    assert daemon.asked == []
