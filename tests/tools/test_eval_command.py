"""`tools/eval` as it is typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from benchlib.http import Address
from bootstrap.paths import CHECKOUT
from click.testing import CliRunner, Result
from eval_server import serving
from evallib.counted import Counted
from evallib.hosting import Host
from evallib.tasks import Gsm8k
from evals.main import main

EVAL = CHECKOUT / "tools/eval"
PATIENCE_S = 60  # only a failing test waits so long
ARC = ("--task", "arc", "--data", "d")
EDGE = {"energy_j": 2.0, "power_w": 4.0}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "data" / Gsm8k.file
    file.parent.mkdir(parents=True)
    rows = [{"question": f"What is {n} + 1?", "answer": f"#### {n + 1}"} for n in range(8)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "data"


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def add(body: dict[str, Any]) -> str:
    """Adds 1, but model "wrong" adds 2."""
    words = body["messages"][0]["content"].split()
    more = 2 if body["model"] == "wrong" else 1
    return f"#### {int(words[2]) + more}" if len(words) > 2 else "Hello."


def test_models_are_asked_compared_and_reported(data: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "s", add, lambda _: EDGE) as server:
        words = ["run", "--task", "gsm8k", "--data", data, "--socket", tmp_path / "s"]
        words += ["--model", "right", "--model", "wrong", "--limit", "5"]
        words += ["--json", tmp_path / "out.json", "--md", tmp_path / "out.md"]
        done = call(*words)
        assert done.exit_code == 0, done.output
        asked = len(server.questions)
        assert call(*words).exit_code == 0
        assert len(server.questions) == asked == 10
    found = json.loads((tmp_path / "out.json").read_text())
    right, wrong = found["tasks"]["gsm8k"]["ways"]
    assert (right["n"], right["accuracy"]["value"], wrong["accuracy"]["value"]) == (5, 1.0, 0.0)
    assert right["ipw_pct"]["value"] == 25.0
    assert right["j_per_correct"]["value"] == 2.0
    assert wrong["against_first"]["accuracy_difference"]["value"] == -1.0
    assert found["about"]["fingerprints"] == {"right": "fp_right", "wrong": "fp_wrong"}
    assert "| right | 5 | 0 | 0 | 100.0 (100.0 to 100.0) |" in (tmp_path / "out.md").read_text()
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 10


def test_modes_go_into_the_request(data: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "s", add) as server:
        words = [
            "run",
            "--task",
            "gsm8k",
            "--data",
            data,
            "--socket",
            tmp_path / "s",
            "--limit",
            "1",
        ]
        words += ["--mode", "single", "--mode", "switch:entropy"]
        done = call(*words, "--json", tmp_path / "out.json")
    assert done.exit_code == 0, done.output
    assert [body["edge"] for body in server.questions] == [
        {"cache": "off", "mode": "single"},
        {"cache": "off", "mode": "switch:entropy"},
    ]


def test_what_was_found_before_it_failed_is_reported(data: Path, tmp_path: Path) -> None:
    left = iter(range(3))

    def speak(body: dict[str, Any]) -> str | tuple[int, str]:
        if body["max_tokens"] > 1 and next(left, None) is None:
            return 500, "out of order"
        return add(body)

    with serving(tmp_path / "s", speak):
        words = ["run", "--task", "gsm8k", "--data", data, "--socket", tmp_path / "s"]
        done = call(*words, "--model", "m", "--json", tmp_path / "out.json")
    assert done.exit_code == 1
    assert "5 answers in a row failed" in done.output
    (row,) = json.loads((tmp_path / "out.json").read_text())["tasks"]["gsm8k"]["ways"]
    assert (row["n"], row["failed"], row["accuracy"]["value"]) == (3, 5, 1.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_found_before_an_interruption_is_reported(
    number: signal.Signals, data: Path, tmp_path: Path
) -> None:
    third, over = threading.Event(), threading.Event()
    left = iter(range(2))

    def speak(body: dict[str, Any]) -> str:
        if body["max_tokens"] > 1 and next(left, None) is None:
            third.set()
            over.wait()
        return add(body)

    words = ["run", "--task", "gsm8k", "--data", data, "--socket", tmp_path / "s"]
    with serving(tmp_path / "s", speak):
        code = "from evals.main import main; main()"
        argv = [sys.executable, "-c", code, *map(str, words), "--json", str(tmp_path / "out.json")]
        environ = {**os.environ, "PYTHONPATH": str(CHECKOUT / "tools")}
        with subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE) as process:
            assert third.wait(PATIENCE_S)
            process.send_signal(number)
            said, _ = process.communicate(timeout=PATIENCE_S)
            over.set()
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    (row,) = json.loads((tmp_path / "out.json").read_text())["tasks"]["gsm8k"]["ways"]
    assert (row["n"], row["failed"]) == (2, 0)
    assert b"## gsm8k" in said


def test_missing_data_is_told_with_the_option(tmp_path: Path) -> None:
    done = call("run", "--task", "arc", "--data", tmp_path / "none", "--url", "http://127.0.0.1:9")
    assert done.exit_code == 1
    assert "none is no folder" in done.output
    assert "--data" in done.output


def test_nobody_there_is_told(data: Path, tmp_path: Path) -> None:
    words = ["run", "--task", "gsm8k", "--data", data, "--socket", tmp_path / "no"]
    done = call(*words, "--json", tmp_path / "out.json")
    assert done.exit_code == 1
    assert "does not answer" in done.output
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "--task", "chess"], "chess"),
        (["run", *ARC, "--socket", "a", "--url", "b"], "two servers"),
        (["run", "--data", "d"], "--task"),
        (["run", "--task", "arc"], "--data"),
        (["switch", *ARC, "--pair", "x", "--shares", "ten"], "percentages"),
        (["switch", *ARC], "--pair"),
    ],
)
def test_wrong_use_is_told(words: list[str], told: str) -> None:
    done = call(*words)
    assert done.exit_code == 2
    assert told in done.output


def test_a_model_without_a_partner_is_told(data: Path, tmp_path: Path) -> None:
    words = ["switch", "--task", "gsm8k", "--data", data, "--store", tmp_path / "store"]
    done = call(*words, "--pair", "smollm2-135m-instruct")
    assert done.exit_code == 1
    assert "no pair with smollm2-135m-instruct: name the small one, --partner" in done.output
    done = call(*words, "--pair", "qwen2.5-coder-1.5b-instruct", "--only", "heaven")
    assert done.exit_code == 2
    assert "no way 'heaven'" in done.output


@pytest.mark.parametrize("url", ["https://x:1", "x", "http://", "http://a:b", "http://a/v1"])
def test_an_address_that_cannot_be_asked_is_told(url: str, data: Path) -> None:
    done = call("run", "--task", "gsm8k", "--data", data, "--url", url)
    assert done.exit_code == 1
    assert "http://HOST:PORT" in done.output


def test_ways_of_a_pair_are_compared(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joules = {"single": 4.0, "speculative": 3.0, "lookup": 3.5, "switch:entropy": 2.0}

    def edge(body: dict[str, Any]) -> dict[str, Any]:
        mode = body.get("edge", {}).get("mode", "single")
        return {"energy_j": joules.get(mode, 1.0), "large_tokens": 1, "small_tokens": 4}

    def speak(body: dict[str, Any]) -> str:
        wrong = body["model"] == "tiny" or body.get("edge", {}).get("mode") == "switch:random"
        return add(body | {"model": "wrong" if wrong else ""})

    class Hosted(Counted):
        @asynccontextmanager
        async def run(self) -> AsyncGenerator[Host]:
            yield Host(Address(path=str(tmp_path / "s")))

    monkeypatch.setattr("evals.switch.Counted", Hosted)
    words = ["switch", "--task", "gsm8k", "--data", data, "--limit", "3", "--pair", "big"]
    words += ["--partner", "tiny", "--shares", "20,40"]
    with serving(tmp_path / "s", speak, edge):
        done = call(*words, "--json", tmp_path / "out.json")
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "out.json").read_text())
    rows = {row["name"]: row for row in found["tasks"]["gsm8k"]["ways"]}
    assert len(rows) == 9
    assert found["switch_speed_lossless"] > 0.0
    assert rows["oracle"]["accuracy"]["value"] == 1.0
    assert rows["speculative"]["against_large"]["equal"] == 3
    assert rows["entropy@40"]["against_random"]["accuracy_difference"]["value"] == 1.0
    assert rows["random@20"]["large_share"] == 0.2


def test_it_can_be_run_as_it_is() -> None:
    assert os.access(EVAL, os.X_OK)
    done = subprocess.run([sys.executable, str(EVAL), "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in ("run", "switch"):
        assert name in done.stdout
