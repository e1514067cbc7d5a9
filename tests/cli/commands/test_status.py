"""`status` says what the daemon does and what is wrong; `ps` lists its models."""

from __future__ import annotations

import json
from typing import Any

import board_reports as boards
import pytest
from governed import governor

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any

RESIDENT = {
    "id": "smol",
    "backend": "llama.cpp",
    "context": 2048,
    "size_bytes": 157286400,
    "gpu_bytes": 0,
    "requests": 0,
    "loaded_ago_s": 125.0,
    "used_ago_s": 5.0,
}
BOARD = {
    "id": "raspberry-pi-5",
    "simulated": False,
    "power_w": 5.938,
    "power_quality": "measured",
    "idle_w": 3.1,
    "temp_c": 61.25,
    "throttled": [],
}
BUDGET = {"power_w": 8.0, "temp_c": 85.0, "energy_j": 50_000.0, "energy_period": "day"}
STATE = boards.status(
    board=BOARD,
    governor=governor(budget=BUDGET, guard="ok"),
    requests=1,
    queued=0,
    models=[{"id": "smol"}, {"id": "other[red]"}],
    residents=[RESIDENT],
    problems=[],
)


@pytest.fixture(autouse=True)
def state(daemon: Daemon) -> None:
    daemon.documents["/edge/v1/status"] = (200, STATE)
    daemon.documents["/health"] = (200, {"status": "ok"})


def told(daemon: Daemon, cli: Cli, **other: Any) -> list[list[str]]:
    """The words of each line, of the usual state but for `other`."""
    daemon.documents["/edge/v1/status"] = (200, STATE | other)
    return [line.split() for line in cli("status").stdout.splitlines()]


def test_what_matters_is_listed_with_its_units(daemon: Daemon, cli: Cli) -> None:
    lines = told(daemon, cli)
    assert lines[:2] == [["health", "ok"], ["board", "id", "raspberry-pi-5"]]
    for line in (
        "board power 5.94 W",
        "board power quality measured",
        "board temp 61.2 °C",
        "board throttled none",
        "governor budget power 8.00 W",
        "governor spent 12.0 kJ",
        "governor slowed the cap of 8.00 W holds the engine to 60 % of the time",
        "engine state running",
        "requests 1",
        "uptime 1 h 2 min",
    ):
        assert line.split() in lines
    assert lines[-1][:2] == ["smol", "llama.cpp"]


def test_what_is_not_known_is_not_claimed(daemon: Daemon, cli: Cli) -> None:
    daemon.documents["/edge/v1/status"] = (200, {})
    assert cli("status").stdout == "health  ok\n"
    lines = told(daemon, cli, board=dict.fromkeys(BOARD), requests=None)
    assert ["board", "power", "-"] in lines
    assert ["requests", "-"] in lines


def test_what_is_simulated_or_modelled_says_so(daemon: Daemon, cli: Cli) -> None:
    board = BOARD | {"simulated": True, "power_quality": "modelled"}
    lines = told(daemon, cli, board=board)
    assert ["board", "simulated", "yes"] in lines
    assert ["board", "power", "quality", "modelled"] in lines


def test_prefixes_problems_and_models_are_tables(daemon: Daemon, cli: Cli) -> None:
    knob = {"code": "knob", "message": "cpufreq: [no right]", "fatal": False}
    warm = [{"model": "smol", "state": "warm"}, {"model": "smol", "state": "waiting"}]
    lines = told(daemon, cli, problems=[knob], warm=warm, residents=[RESIDENT, RESIDENT])
    assert lines.count(["smol", "warm"]) == lines.count(["smol", "waiting"]) == 1
    assert ["cpufreq:", "[no", "right]", "no"] in lines
    assert sum(line[:2] == ["smol", "llama.cpp"] for line in lines) == 2


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
    assert "no model could be loaded\n" in result.stdout.splitlines(keepends=True)[0]
    document = json.loads(cli("status", "--json").stdout)
    assert document["health"] == {"status": "failing", "message": "no model could be loaded"}


def test_control_characters_are_dropped(daemon: Daemon, cli: Cli) -> None:
    assert ["board", "id", "a[2Jb"] in told(daemon, cli, board={"id": "a\x1b[2Jb"})


def test_ps_lists_the_models_in_memory(daemon: Daemon, cli: Cli) -> None:
    busy = RESIDENT | {"id": "other[red]", "requests": 2, "gpu_bytes": 1 << 20}
    daemon.documents["/edge/v1/status"] = (200, STATE | {"residents": [RESIDENT, busy]})
    smol, other = (line.split("  ") for line in cli("ps").stdout.splitlines()[1:])
    told = [word.strip() for word in smol if word]
    assert told == ["smol", "llama.cpp", "150.0 MiB", "0 B", "0", "5 s", "2 min 5 s"]
    assert "other[red]" in other
    assert "1.0 MiB" in other
    assert json.loads(cli("ps", "--json").stdout) == {"models": [RESIDENT, busy]}


def test_ps_without_models_says_so(daemon: Daemon, cli: Cli) -> None:
    daemon.documents["/edge/v1/status"] = (200, STATE | {"residents": []})
    assert cli("ps").stdout == "No models are in memory.\n"
    assert json.loads(cli("ps", "--json").stdout) == {"models": []}


def test_without_a_daemon_ps_is_3(environ: dict[str, str], cli: Cli) -> None:
    environ["EDGE_RT_SOCKET"] += ".absent"
    assert cli("ps").exit_code == 3
