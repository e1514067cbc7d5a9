"""`router` shows marks, and forgets only what is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any
Json = dict[str, Any]

PATH, RESET = "/edge/v1/router", "/edge/v1/router/reset"
MARKS = {"model": "big", "mode": "switch:ead", "good": 3.0, "bad": 0.5}


def report(**others: Any) -> Json:
    return {"stored": True, "marks": [MARKS]} | others


def test_show(cli: Cli, daemon: Daemon) -> None:
    daemon.documents[PATH] = 200, report()
    told = [" ".join(line.split()) for line in cli("router", "show").output.splitlines()]
    assert told == ["stored yes", "", "marks", "model mode good bad", "big switch:ead 3.00 0.500"]
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
