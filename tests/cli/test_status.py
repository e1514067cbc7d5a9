"""`status` shows everything that the daemon tells, and whether it can answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any

STATE = {
    "version": "0.1",
    "uptime_s": 3723.5,
    "engine": {"pid": 42, "rss_bytes": 157286400, "backends": {"llama.cpp": "b1"}},
    "models": [{"id": "smol", "loaded": True}, {"id": "other[red]", "loaded": False}],
    "preload": [],
    "queue": {"waiting": None},
}


@pytest.fixture(autouse=True)
def state(daemon: Daemon) -> None:
    daemon.documents["/edge/v1/status"] = (200, STATE)
    daemon.documents["/health"] = (200, {"status": "ok"})


def test_lines_for_a_program_end_with_the_value(cli: Cli) -> None:
    lines = cli("status").stdout.splitlines()
    assert lines == [line.rstrip() for line in lines]


def test_sentences_follow_each_other(daemon: Daemon, cli: Cli) -> None:
    state = {"missing": ["No power can be read.", "No heat either."], "cores": [2, 3]}
    daemon.documents["/edge/v1/status"] = (200, state)
    output = cli("status").stdout
    assert "No power can be read. No heat either.\n" in output
    assert "2, 3\n" in output


def test_every_value_is_a_row_in_words(cli: Cli) -> None:
    result = cli("status")
    assert result.exit_code == 0
    rows = [line.split(None, 1) for line in result.stdout.splitlines()]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["version", "0.1"],
        ["uptime_s", "1 h 2 min"],
        ["engine.pid", "42"],
        ["engine.rss_bytes", "150.0 MiB"],
        ["engine.backends.llama.cpp", "b1"],
        ["models[smol].id", "smol"],
        ["models[smol].loaded", "yes"],
        ["models[other[red]].id", "other[red]"],
        ["models[other[red]].loaded", "no"],
        ["preload", "-"],
        ["queue.waiting", "-"],
        ["health.status", "ok"],
    ]


def test_json_is_one_object_as_the_daemon_told_it(cli: Cli) -> None:
    assert json.loads(cli("status", "--json").stdout) == {
        "status": STATE,
        "health": {"status": "ok"},
    }


@pytest.mark.parametrize(("status", "code"), [(503, 5), (500, 1)])
def test_a_daemon_that_cannot_answer_is_shown_and_fails(
    daemon: Daemon, cli: Cli, status: int, code: int
) -> None:
    daemon.documents["/health"] = (status, {"error": {"message": "no model could be loaded"}})
    result = cli("status")
    assert result.exit_code == code
    assert "no model could be loaded" in result.stdout
    document = json.loads(cli("status", "--json").stdout)
    assert document["health"] == {"status": "failing", "message": "no model could be loaded"}


def test_control_characters_are_dropped(daemon: Daemon, cli: Cli) -> None:
    daemon.documents["/edge/v1/status"] = (200, {"na\x1bme": "a\x1b[2Jb"})
    assert "\x1b" not in cli("status").stdout


def test_a_long_value_stays_on_its_line(daemon: Daemon, cli: Cli) -> None:
    daemon.documents["/edge/v1/status"] = (200, {"path": "/x" * 200})
    assert "/x" * 200 in cli("status").stdout
