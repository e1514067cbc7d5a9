"""`calibrate` shows how far it is, what it found, and why it found nothing."""

from __future__ import annotations

import io
import json
import re
import signal
from typing import Any

import pytest
from rich.console import Console

from edge_rt.cli.progress import progress

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any
PATH, SHOW = "/edge/v1/calibrate", "/edge/v1/calibration"
FITTED = {
    "model": "smol",
    "backend": "llama.cpp",
    "threads": 2,
    "prefill_tokens_per_s": 163.2,
    "decode_tokens_per_s": 68.1,
    "idle_w": 2.5,
    "prefill_w": 6.25,
    "decode_w": None,
    "quality": "measured",
    "runtime_error": 0.034,
    "energy_error": None,
}
FOUND = {
    "type": "calibrated",
    "board": "raspberry-pi-5",
    "date": "2026-11-26T00:00:00Z",
    "flop_per_s": 41.5e9,
    "bytes_per_s": 9.9e9,
    "leakage_w": 0.31,
    "doubling_c": 21.0,
    "leakage_note": "measured over 28 K: doubles each 21 K (95 %: 18 to 24)",
    "leakage_source": "measured",
    "models": [FITTED],
}


def step(done: float, doing: str) -> dict[str, Any]:
    return {"type": "progress", "done": done, "doing": doing}


def test_progress_and_what_was_found(cli: Cli, daemon: Daemon) -> None:
    daemon.streams[PATH] = [step(0.0, "rest"), step(0.42, "reading"), step(0.5, "reading"), FOUND]
    result = cli("calibrate", "--quick")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == ["  0 % rest", " 42 % reading", " 50 % reading"]
    text = result.stdout
    assert re.search("^leakage +0.310 W$", text, re.MULTILINE)
    assert re.search("^leakage source +measured$", text, re.MULTILINE)
    (row,) = [line.split() for line in text.splitlines() if line.startswith("smol")]
    assert row[2:] == [
        "2",
        "163",
        "/s",
        "68.1",
        "/s",
        "2.50",
        "W",
        "6.25",
        "W",
        "measured",
        "3",
        "%",
    ]
    assert daemon.asked == [(PATH, {"quick": True, "force": False})]


def test_options_are_passed_on(cli: Cli, daemon: Daemon) -> None:
    daemon.streams[PATH] = [FOUND]
    result = cli("calibrate", "-m", "smol", "--force", "--json")
    assert json.loads(result.stdout) == FOUND
    assert daemon.asked == [(PATH, {"quick": False, "force": True, "model": "smol"})]


def test_a_refusal_has_its_reason_and_exit_code_1(cli: Cli, daemon: Daemon) -> None:
    reason = "the board is hot: 71.2 °C. Let it cool, or cool it better"
    daemon.streams[PATH] = [{"type": "refused", "reason": reason}]
    result = cli("calibrate")
    assert result.exit_code == 1
    assert f"not calibrated: {reason}" in result.stderr
    assert result.stdout == ""


def test_a_failure_in_the_middle(cli: Cli, daemon: Daemon) -> None:
    error = {"error": {"message": "the engine is gone", "code": "engine_error"}}
    daemon.streams[PATH] = [step(0.1, "rest"), error]
    result = cli("calibrate")
    assert result.exit_code == 1
    assert "the engine is gone" in result.stderr


def test_a_daemon_that_says_nothing(cli: Cli, daemon: Daemon) -> None:
    daemon.streams[PATH] = [step(0.1, "rest")]
    assert cli("calibrate").exit_code == 1


def test_what_is_known_is_shown(cli: Cli, daemon: Daemon) -> None:
    daemon.documents[SHOW] = (200, FOUND)
    assert "raspberry-pi-5" in cli("calibrate", "--show").stdout
    nothing: dict[str, Any] = dict.fromkeys(FOUND) | {"models": []}
    nothing["leakage_note"] = "assumed: doubles each 20 K"
    daemon.documents[SHOW] = (200, nothing)
    result = cli("calibrate", "--show")
    assert "Nothing is calibrated: edge-rt calibrate --quick" in result.stderr
    assert "assumed: doubles each 20 K" in result.stdout
    assert daemon.asked == []


@pytest.mark.parametrize("other", ["--quick", "--force", "--model=x"])
def test_showing_measures_nothing(cli: Cli, daemon: Daemon, other: str) -> None:
    assert cli("calibrate", "--show", other).exit_code == 2
    assert daemon.asked == []


def test_ctrl_c_ends_it(spawn: Any, daemon: Daemon) -> None:
    daemon.streams[PATH] = [step(0.1, "reading"), "hang"]
    process = spawn("calibrate")
    assert process.stderr.readline() == b" 10 % reading\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert daemon.cancelled.wait(30)


def test_a_terminal_sees_a_bar() -> None:
    file = io.StringIO()
    console = Console(file=file, width=120, force_terminal=True, force_interactive=True)
    with progress(console) as tell:
        tell(0.25, "reading [x]\x1b[31m")
        console.print("", end="")  # draws at once
    text = file.getvalue()
    assert "25%" in text
    assert "reading [x][31m" in text  # neither markup nor an order to the terminal
