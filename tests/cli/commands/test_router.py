"""`router` shows what was learnt, and forgets only what is named."""

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
ARM = {
    "model": "big",
    "mode": "switch:early",
    "kind": "maths",
    "length": "short",
    "level": "hard",
    "good": 3.0,
    "bad": 0.5,
    "answers": 7.25,
    "joules_ratio": 1.25,
    "seconds_ratio": 0.9,
}
TRIALS = {"requests": 40, "trials": 1, "best_j": 1000.0, "extra_j": 0.5}


def report(**others: Any) -> Json:
    return {"stored": True, "arms": [ARM], "trials": TRIALS} | others


def shown(document: Json) -> list[str]:
    file = io.StringIO()
    Console(width=100, file=file).print(router_table(document))
    return [" ".join(line.split()) for line in file.getvalue().splitlines() if line.strip()]


def test_marks_and_what_answers_took() -> None:
    assert shown(report()) == [
        "model prompts good bad answers joules seconds",
        "big, switch:early short hard maths 3.0 0.5 7.2 1.25 times 0.90 times",
        "1 trial in 40 choices since the daemon's start, for 0.500 J beyond 1000 J",
    ]


def test_nothing_yet_and_a_file_that_fails() -> None:
    lines = shown(report(arms=[], stored=False))
    assert "cannot be written" in lines[0]
    assert lines[1] == "Nothing was learnt yet."


def test_show(cli: Cli, daemon: Daemon) -> None:
    daemon.documents[PATH] = 200, report()
    assert "1.25 times" in cli("router", "show").output
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
    daemon.documents[RESET] = 200, {"arms": 2}
    assert cli("router", "reset", *said).output == "2 rows forgotten\n"
    assert daemon.asked == [(RESET, sent)]


@pytest.mark.parametrize("said", [[], ["--all", "--model", "big"]])
def test_nothing_is_forgotten_by_mistake(cli: Cli, daemon: Daemon, said: list[str]) -> None:
    assert cli("router", "reset", *said).exit_code == 2
    assert daemon.asked == []
