"""The commands against a running daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

MODEL = "smollm2-135m-instruct"
GREEDY = ("--temperature", "0", "--max-tokens", "16")
QUESTION = "Why is the sky blue?"


def answer(daemon) -> str:
    """Return what the API says to QUESTION."""
    body = {"messages": [{"role": "user", "content": QUESTION}], "temperature": 0, "max_tokens": 16}
    reply = daemon.post(body, "/v1/chat/completions").json()
    return reply["choices"][0]["message"]["content"]


def test_run_streams_and_tells_the_cost(daemon):
    result = daemon.run("run", *GREEDY, QUESTION)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == answer(daemon)
    *slower, cost = result.stderr.splitlines()  # on a machine that does other things
    assert all(line.startswith("Slower than usual: ") for line in slower)
    assert cost.startswith("16 tokens, ")
    for part in (" tok/s", " s, ", MODEL, "llama.cpp"):
        assert part in cost


def test_the_log_names_the_store(daemon):
    assert f"model store: {daemon.store}\n" in daemon.log.read_text()


def test_the_answer_comes_piece_by_piece(daemon):
    """The first words are there while the engine is still at it."""
    environment = os.environ | {"EDGE_RT_SOCKET": str(daemon.socket)}
    command = [Path(sys.executable).with_name("edge-rt"), "run", "--raw", "--max-tokens", "400"]
    with subprocess.Popen(
        [*command, "Count: 1, 2, 3,"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.read(1)
        assert daemon.engine()["running"] == 1
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert daemon.quiet()["running"] == 0


def test_run_without_stream(daemon):
    result = daemon.run("run", *GREEDY, "--no-stream", QUESTION)
    assert result.stdout.strip() == answer(daemon)


def test_run_as_json(daemon):
    document = json.loads(daemon.run("run", "--json", *GREEDY, QUESTION).stdout)
    assert document["text"] == answer(daemon)
    assert document["usage"]["completion_tokens"] == 16
    assert document["edge"]["model"] == MODEL
    assert document["finish_reason"] == "length"


def test_the_prompt_may_come_from_standard_input(daemon):
    for dash in ([], ["-"]):
        result = daemon.run("run", *GREEDY, *dash, input=QUESTION + "\n")
        assert result.stdout.strip() == answer(daemon)


def test_raw(daemon):
    result = daemon.run("run", "--raw", *GREEDY, "The capital of France is")
    assert "Paris" in result.stdout


def test_run_with_a_model_that_is_not_there(daemon):
    result = daemon.run("run", "-m", "nobody", "Hello")
    assert result.returncode == 4
    assert "nobody" in result.stderr


def test_run_without_a_daemon(daemon, tmp_path):
    result = daemon.run("run", "--socket", str(tmp_path / "none"), "Hello")
    assert result.returncode == 3


def test_status(daemon):
    result = daemon.run("status")
    assert result.returncode == 0, result.stderr
    names = {line.split("  ")[0] for line in result.stdout.splitlines()}
    assert {"health", "board id", "board power", "governor slowed", "requests"} <= names
    state = json.loads(daemon.run("status", "--json").stdout)
    assert state["status"]["pid"] == daemon.process.pid
    assert state["health"]["status"] == "ok"


def test_ps_lists_a_model_once_it_was_used(daemon):
    answer(daemon)
    shown = daemon.run("ps")
    assert MODEL in shown.stdout, shown.stderr
    [model] = json.loads(daemon.run("ps", "--json").stdout)["models"]
    assert (model["id"], model["backend"], model["requests"]) == (MODEL, "llama.cpp", 0)
    assert model["size_bytes"] > model["used_ago_s"] >= 0
    assert model["loaded_ago_s"] >= model["used_ago_s"]
    assert MODEL in daemon.run("status").stdout


def test_chat(daemon):
    """Two turns from a pipe; the second knows the first."""
    result = daemon.run("chat", *GREEDY, input=f"{QUESTION}\nWhy?\n")
    assert result.returncode == 0, result.stderr
    assert answer(daemon).strip() in result.stdout
