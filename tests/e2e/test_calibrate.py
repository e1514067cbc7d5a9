"""Calibrating and planning with the real engine on a simulated Raspberry Pi 5."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("edge-rt")
PROMPT = "Write one sentence about a fox who learns to sail."

STATE = "simulated/raspberry-pi-5"  # of the simulated board, in the state directory


@pytest.fixture(scope="module")
def board(make_board):
    with make_board("raspberry-pi-5") as root:
        yield root


@pytest.fixture(scope="module")
def daemon(make_daemon, board, tools):
    daemon = make_daemon(sensors={"root": str(board)})
    tools.steady(
        lambda: (supply := daemon.status()["board"]) and supply["idle_w"], "the rest is seen"
    )
    yield daemon
    daemon.close()


def files(daemon):
    """Return what was saved."""
    return sorted(path.name for path in (daemon.directory / STATE / "calibrations").glob("*"))


def test_before_a_calibration_a_plan_says_that_it_guesses(daemon):
    result = daemon.run("plan", PROMPT)
    assert result.returncode == 0, result.stderr
    assert "roofline" in result.stdout
    assert "edge-rt calibrate --quick" in result.stderr
    assert daemon.loaded() == set()  # counting tokens takes no weights
    (candidate,) = json.loads(daemon.run("plan", PROMPT, "--json").stdout)["candidates"]
    counted = daemon.http.post(
        "/v1/chat/completions",
        json={"messages": [{"role": "user", "content": PROMPT}], "max_tokens": 1},
    ).json()["usage"]["prompt_tokens"]
    assert candidate["prompt_tokens"] == counted
    assert candidate["threads"] == 1
    assert candidate["chosen"]


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_behind(daemon, tools):
    process = subprocess.Popen(
        [COMMAND, "calibrate", "--quick", "--force"],
        env=os.environ | {"EDGE_RT_SOCKET": str(daemon.socket)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if b"64 tokens" in line:
            refused = daemon.post({"prompt": "Hi", "max_tokens": 1})
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "calibrating"
            assert int(refused.headers["retry-after"]) >= 5
            break
    process.send_signal(signal.SIGINT)
    process.stderr.close()
    assert process.wait(30) == 130
    tools.eventually(lambda: not daemon.status()["requests"], "the board is given back")
    assert files(daemon) == []
    assert daemon.complete("Once", max_tokens=2)


def test_it_is_refused_while_there_are_requests(daemon):
    with daemon.stream(prompt="Once", max_tokens=600, ignore_eos=True) as events:
        next(events)
        result = daemon.run("calibrate", "--quick")
        assert result.returncode == 1
        assert "requests are waiting or running" in result.stderr
    assert files(daemon) == []


@pytest.mark.slow
def test_a_quick_calibration_and_what_rests_on_it(daemon):
    daemon.quiet()
    result = daemon.run("calibrate", "--quick", "--force", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["board"] == "raspberry-pi-5 (simulated)"
    assert found["flop_per_s"] > 1e8
    assert found["bytes_per_s"] > 1e8
    (fitted,) = found["models"]
    assert (fitted["model"], fitted["threads"]) == (daemon.model, 1)
    assert fitted["prefill_tokens_per_s"] > 0
    assert fitted["decode_tokens_per_s"] > 0
    # The simulated board draws more when a core is busy, whatever this machine's speed.
    assert fitted["idle_w"] < fitted["prefill_w"]
    assert fitted["idle_w"] < fitted["decode_w"]
    assert fitted["quality"] == "modelled"
    assert len(files(daemon)) == 1

    shown = json.loads(daemon.run("calibrate", "--show", "--json").stdout)
    assert shown == found
    plan = daemon.run("plan", PROMPT)
    assert "calibrated" in plan.stdout
    assert "edge-rt calibrate" not in plan.stderr


def test_runs_are_told_beside_what_was_predicted(daemon):
    result = daemon.run("plan", PROMPT, "--max-tokens", "24", "--run", "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    (candidate,), (tried,) = document["candidates"], document["tried"]
    assert candidate["basis"] == "calibrated"
    assert tried["failure"] is None
    assert tried["prompt_tokens"] == candidate["prompt_tokens"]
    assert tried["cached_tokens"] == 0
    assert 1 <= tried["completion_tokens"] <= 24
    assert tried["seconds"] > 0
    predicted = tried["predicted"]["seconds"]
    assert tried["seconds_error"] == pytest.approx(predicted / tried["seconds"] - 1)
    assert tried["end_temp_c"] > 20


def test_it_outlives_the_daemon(daemon, tools):
    def known():
        return daemon.http.get("/edge/v1/calibration").json()["models"]

    before = known()
    assert daemon.terminate() == 0
    daemon.start()
    assert tools.eventually(known, "the board is looked at") == before
