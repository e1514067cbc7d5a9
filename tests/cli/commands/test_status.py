"""`status` says in seven lines what the daemon does and what is wrong; `ps` lists its models."""

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


def told(daemon: Daemon, cli: Cli, **other: Any) -> dict[str, str]:
    """The lines by their name, of the usual state but for `other`."""
    daemon.documents["/edge/v1/status"] = (200, STATE | other)
    return dict(line.split(None, 1) for line in cli("status").stdout.splitlines())


def test_seven_lines_tell_what_matters(cli: Cli) -> None:
    result = cli("status")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "board     raspberry-pi-5",
        "draw      5.94 W, 3.10 W idle, max 8.00 W, 12.0 kJ of 50.0 kJ this day",
        "heat      61.2 °C, max 85.0 °C, not throttled",
        "models    smol in memory, 2 installed",
        "requests  1 under way, 1000 tokens written, up 1 h 2 min",
        "slowed    the cap of 8.00 W holds the engine to 60 % of the time",
        "problems  none",
    ]


def test_what_is_not_known_is_not_claimed(daemon: Daemon, cli: Cli) -> None:
    for document in ({}, {"board": dict.fromkeys(BOARD), "requests": None}):
        daemon.documents["/edge/v1/status"] = (200, document)
        assert cli("status").stdout.splitlines() == [
            "board     not recognised",
            "draw      not known",
            "heat      not known",
            "models    none of 0 in memory",
            "requests  not known",
            "slowed    not known",
            "problems  none",
        ]


def test_what_is_simulated_or_modelled_says_so(daemon: Daemon, cli: Cli) -> None:
    board = BOARD | {"simulated": True, "power_quality": "modelled"}
    lines = told(daemon, cli, board=board)
    assert lines["board"] == "raspberry-pi-5, simulated"
    assert lines["draw"].startswith("5.94 W modelled, ")


def test_heat_tells_what_holds_the_board_back(daemon: Daemon, cli: Cli) -> None:
    board = BOARD | {"throttled": ["under-voltage", "heat"]}
    heat = told(daemon, cli, board=board, governor=governor())["heat"]
    assert heat == "61.2 °C, throttled by under-voltage and heat, guard: caution"


def test_prefixes_that_the_engine_has_read_are_counted(daemon: Daemon, cli: Cli) -> None:
    warm = [{"state": "warm"}, {"state": "waiting"}]
    assert told(daemon, cli, warm=warm)["models"].endswith(" installed, 1 of 2 prompts warm")


def test_more_models_are_counted(daemon: Daemon, cli: Cli) -> None:
    assert told(daemon, cli, residents=[])["models"] == "none of 2 in memory"
    models = told(daemon, cli, residents=[RESIDENT, RESIDENT])["models"]
    assert models == "2 of 2 in memory: edge-rt ps lists them"


def test_requests_tell_of_those_held_back_and_of_an_engine_that_is_not_there(
    daemon: Daemon, cli: Cli
) -> None:
    requests = told(daemon, cli, requests=3, queued=2, engine={"state": "starting"})["requests"]
    assert requests.startswith("the engine is starting, 3 under way, 2 held back, 1000 tokens")


def test_the_worst_problem_is_told_and_the_others_counted(daemon: Daemon, cli: Cli) -> None:
    knob = {"code": "knob", "message": "cpufreq: no right", "fatal": False}
    model = {"code": "no_model", "message": "No text model is installed.", "fatal": True}
    assert told(daemon, cli, problems=[knob])["problems"] == "cpufreq: no right"
    daemon.documents["/health"] = (503, {"error": {"message": model["message"]}})
    problems = told(daemon, cli, problems=[knob, model])["problems"]
    assert problems == "No text model is installed. (1 more: edge-rt status --json)"


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
    assert "problems  no model could be loaded\n" in result.stdout
    document = json.loads(cli("status", "--json").stdout)
    assert document["health"] == {"status": "failing", "message": "no model could be loaded"}


def test_control_characters_are_dropped(daemon: Daemon, cli: Cli) -> None:
    assert told(daemon, cli, board={"id": "a\x1b[2Jb"})["board"] == "a[2Jb"


def test_a_long_value_stays_on_its_line(daemon: Daemon, cli: Cli) -> None:
    problem = {"message": "/x" * 200, "fatal": False}
    assert told(daemon, cli, problems=[problem])["problems"] == "/x" * 200


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
