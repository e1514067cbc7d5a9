"""`plan` tells what each candidate would take, and with --run what it took."""

from __future__ import annotations

import json
from typing import Any

import pytest

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any
Json = dict[str, Any]
PATH = "/edge/v1/plan"


def candidate(**other: Any) -> Json:
    return {
        "model": "smol",
        "backend": "llama.cpp",
        "threads": 2,
        "prompt_tokens": 9,
        "completion_tokens": 128,
        "seconds": 2.345,
        "prefill_s": 0.3,
        "decode_s": 2.0,
        "energy_j": 4.5,
        "total_j": 11.25,
        "power_w": 4.75,
        "end_temp_c": 51.25,
        "band_c": 0.8,
        "error_ratio": 0.08,
        "basis": "calibrated",
        "chosen": True,
        "reason": "what the governor allows now",
    } | other


def tried(**other: Any) -> Json:
    return {
        "type": "tried",
        "predicted": candidate(),
        "prompt_tokens": 9,
        "cached_tokens": 0,
        "completion_tokens": 100,
        "quality": "measured",
        "seconds": 2.5,
        "energy_j": 5.0,
        "total_j": 12.0,
        "power_w": 4.8,
        "end_temp_c": 50.75,
        "seconds_error": -0.062,
        "energy_error": 0.1,
        "temp_error_c": 0.5,
        "failure": None,
    } | other


def rows(text: str) -> list[list[str]]:
    """The cells of a table's rows, without its head."""
    return [line.split() for line in text.splitlines() if "smol" in line]


def test_a_row_for_each_candidate(cli: Cli, daemon: Daemon) -> None:
    other = candidate(threads=1, chosen=False, reason="1.60 times the time")
    daemon.documents[PATH] = (200, {"candidates": [candidate(), other]})
    result = cli("plan", "Why", "is it?", "--max-tokens", "128")
    assert result.exit_code == 0
    chosen, second = rows(result.stdout)
    figures = "2.35 s 4.50 J 11.2 J 4.75 W 51.2 °C 0.8 °C 8 % calibrated 9 128"
    assert " ".join(chosen).startswith(f"* smol 2 {figures} ")
    assert second[:2] == ["smol", "1"]
    assert "1.60 times the time" in result.stdout
    assert result.stderr == ""
    body: Json = {"max_tokens": 128, "models": [], "threads": []}
    messages = [{"role": "user", "content": "Why is it?"}]
    assert daemon.asked == [(PATH, {"messages": messages} | body)]


def test_it_tells_how_long_the_battery_lasts_at_todays_work(cli: Cli, daemon: Daemon) -> None:
    daemon.documents[PATH] = (200, {"candidates": [candidate()], "battery_s": 45_000.0})
    words = "A full battery lasts 12 h 30 min at today's mean power.\n"
    assert words in cli("plan", "Why").stdout


def test_a_mode_is_told_with_its_model(cli: Cli, daemon: Daemon) -> None:
    other = candidate(mode="speculative", partner="tiny", chosen=False, reason="as fast")
    daemon.documents[PATH] = (200, {"candidates": [candidate(), other]})
    _, second = rows(cli("plan", "Why?").stdout)
    assert second[:4] == ["smol", "2", "speculative", "tiny"]


def test_what_is_not_known_is_a_dash(cli: Cli, daemon: Daemon) -> None:
    nothing = dict.fromkeys(
        ["seconds", "energy_j", "total_j", "power_w", "end_temp_c", "band_c", "error_ratio"]
    )
    cannot = candidate(**nothing, basis=None, chosen=False, reason="it does not fit")
    daemon.documents[PATH] = (200, {"candidates": [candidate(), cannot]})
    _, row = rows(cli("plan", "x").stdout)
    assert row == ["smol", "2", *["-"] * 8, "9", "128", "it", "does", "not", "fit"]


def test_without_a_calibration_it_says_what_to_do(cli: Cli, daemon: Daemon) -> None:
    guessed = candidate(basis="roofline", error_ratio=1.0)
    daemon.documents[PATH] = (200, {"candidates": [guessed, candidate(model="big")]})
    result = cli("plan", "x")
    assert "Nothing is calibrated for smol:" in result.stderr
    assert "edge-rt calibrate --quick" in result.stderr
    assert "big" not in result.stderr
    assert "roofline" in result.stdout


def test_models_threads_and_raw_prompts(cli: Cli, daemon: Daemon) -> None:
    daemon.documents[PATH] = (200, {"candidates": []})
    cli("plan", "--raw", "Once", "-m", "a", "--model", "b", "--threads", "1", "--threads", "2")
    body = {"max_tokens": 128, "models": ["a", "b"], "threads": [1, 2]}
    assert daemon.asked == [(PATH, {"prompt": "Once"} | body)]


def test_runs_are_held_against_what_was_predicted(cli: Cli, daemon: Daemon) -> None:
    failed = tried(predicted=candidate(threads=1), failure="it broke")
    failed |= dict.fromkeys(["seconds", "energy_j", "seconds_error", "energy_error"])
    daemon.streams[PATH] = [{"candidates": [candidate(), candidate(threads=1)]}, tried(), failed]
    result = cli("plan", "--run", "Why?")
    assert result.exit_code == 0
    before, after = result.stdout.split("\n\n")
    assert "2.35" in before
    came, lost = rows(after)
    assert " ".join(came).startswith("smol 2 2.5 s -6 % 5.00 J 10 % 12.0 J 4.80 W 50.8 °C 0.5 °C")
    assert came[-4:] == ["9", "100", "measured", "-"]
    assert lost[:4] == ["smol", "1", "-", "-"]
    assert "it broke" in after
    assert daemon.asked[0][1]["run"] is True
    assert "0 % smol, 2 threads" in result.stderr
    assert "50 % smol, 1 thread" in result.stderr


def test_runs_as_json(cli: Cli, daemon: Daemon) -> None:
    daemon.streams[PATH] = [{"candidates": [candidate()]}, tried()]
    document = json.loads(cli("plan", "--run", "--json", "Why?").stdout)
    assert document == {"candidates": [candidate()], "tried": [tried()]}
    daemon.documents[PATH] = (200, {"candidates": [candidate()]})
    daemon.streams.clear()
    assert json.loads(cli("plan", "--json", "x").stdout) == {"candidates": [candidate()]}


def test_what_cannot_be_run_is_not_waited_for(cli: Cli, daemon: Daemon) -> None:
    cannot = candidate(seconds=None, chosen=False, reason="it does not fit")
    daemon.streams[PATH] = [{"candidates": [cannot]}]
    result = cli("plan", "--run", "x")
    assert result.exit_code == 0
    assert "it does not fit" in result.stdout


def test_a_prompt_that_could_not_be_counted(cli: Cli, daemon: Daemon) -> None:
    cannot = candidate(prompt_tokens=None, seconds=None, reason="the file is damaged")
    daemon.documents[PATH] = (200, {"candidates": [cannot]})
    result = cli("plan", "x")
    assert result.exit_code == 0
    assert "the file is damaged" in result.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["plan", "--raw", "--system", "x", "y"], 2),
        (["plan", "--max-tokens", "0", "x"], 2),
        (["plan", "--threads", "0", "x"], 2),
        (["plan", "--run", "--constrained", "x"], 2),
        (["plan"], 2),
    ],
)
def test_wrong_usage(cli: Cli, daemon: Daemon, words: list[str], code: int) -> None:
    assert cli(*words).exit_code == code
    assert daemon.asked == []


def test_the_daemon_refuses_while_it_is_busy(cli: Cli, daemon: Daemon) -> None:
    daemon.will_refuse(503, {"message": "a calibration is under way"}, retry_after="30")
    result = cli("plan", "--run", "x")
    assert result.exit_code == 5
    assert "a calibration is under way (try again in 30 s)" in result.stderr
