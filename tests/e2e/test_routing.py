"""One model in both libraries: "auto" picks, pins hold, and the answer says why.

Which of the two is picked is for the board and the moment to decide, and not for a test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from edge_rt.board_model.calibration import (
    ModelCalibration,
    PhasePowers,
    save_calibration,
)
from edge_rt.board_model.runtime import Runtime
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store

GGUF, ONNX = "smollm2-135m-instruct", "smollm2-onnx"
CHAT = [{"role": "user", "content": "Name the days of the week."}]
FIRM = {"temperature": 0, "max_tokens": 12}


@pytest.fixture(scope="module")
def daemon(make_daemon: Callable[..., Any], both_backends: Path) -> Iterator:
    daemon = make_daemon(both_backends)
    yield daemon
    daemon.close()


def chat(daemon: Any, model: str, **edge: Any) -> Any:
    body = {"model": model, "messages": CHAT, "edge": edge} | FIRM
    answer = daemon.post(body, "/v1/chat/completions")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("model", ["auto", GGUF, ONNX])
def test_one_of_both_answers_and_the_trace_has_both(daemon: Any, model: str) -> None:
    answer = chat(daemon, model, trace=True)
    edge = answer["edge"]
    rows = {c["candidate"]["setting"]["variant"]: c for c in edge["route_trace"]["considered"]}
    assert set(rows) == {GGUF, ONNX}
    assert rows[answer["model"]]["state"] == "chosen"
    assert edge["model"] == answer["model"]
    assert edge["backend"] == rows[answer["model"]]["candidate"]["backend"]
    assert edge["route"] == edge["route_trace"]["why"]
    assert all(c["candidate"]["seconds"] > 0 for c in rows.values())
    kept = daemon.http.get(f"/edge/v1/trace/{answer['id']}").json()
    assert kept == edge["route_trace"]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        (f"{GGUF}@llama.cpp-q4_1", GGUF),
        (f"{GGUF}@onnx", ONNX),
        (f"{ONNX}@llama.cpp", GGUF),
        ("default", GGUF),
    ],
)
def test_a_pin_holds(daemon: Any, name: str, model: str) -> None:
    answer = chat(daemon, name)
    assert answer["model"] == answer["edge"]["model"] == model
    assert answer["edge"]["route"] == "nothing else was asked for"


def test_what_is_not_there_is_told_with_what_is(daemon: Any) -> None:
    answer = daemon.post({"model": f"{GGUF}@onnx-fp7", "prompt": "x"})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "model")
    assert "llama.cpp-q4_1" in error["message"]
    assert "onnx-" in error["message"].partition("there are:")[2]
    assert daemon.post({"model": "nobody@onnx", "prompt": "x"}).status_code == 404


def test_a_stream_has_the_trace_in_its_last_event(daemon: Any) -> None:
    fields = {"model": "auto", "prompt": "Once", "max_tokens": 3, "edge": {"trace": True}}
    with daemon.stream(**fields) as events:
        *rest, last = list(events)
    assert last["edge"]["route_trace"]["considered"]
    assert not any("route_trace" in (event.get("edge") or {}) for event in rest)


def test_the_command_line_tells_of_it(daemon: Any) -> None:
    options = ["-m", "auto", "--max-tokens", "3", "--prefer", "latency", "--verbose"]
    ran = daemon.run("run", *options, "Hi")
    id = ran.stderr.rpartition("edge-rt trace ")[2].strip()
    told = daemon.run("trace", id)
    assert told.returncode == 0, told.stderr
    assert GGUF in told.stdout
    assert id in daemon.run("ledger").stdout.split()
    assert json.loads(daemon.run("trace", id, "--json").stdout)["prefer"] == "latency"
    assert daemon.run("trace", "chatcmpl-0").returncode == 1
    found = json.loads(daemon.run("plan", "-m", "auto", "--json", "Hi").stdout)["candidates"]
    assert {c["model"] for c in found} == {GGUF, ONNX}
    assert "with 1 thread" in found[0]["reason"]


def test_answers_teach_predictions_until_the_daemon_ends(
    own_daemon: Callable[..., Any], both_backends: Path, tools: Any
) -> None:
    def known() -> bool:
        return daemon.http.get("/edge/v1/board").json()["board"] is not None

    def basis() -> str:
        trace = chat(daemon, "auto", trace=True)["edge"]["route_trace"]
        rows = [c["candidate"] for c in trace["considered"]]
        (onnx,) = [c for c in rows if c["backend"] == "onnx"]
        return onnx["basis"]

    daemon = own_daemon(both_backends)
    tools.eventually(known, "the board is recognised")
    for _ in range(2):
        chat(daemon, f"{GGUF}@onnx")
    assert basis() == "learnt"
    daemon.terminate()
    daemon.start()
    tools.eventually(known, "the board is recognised again")
    assert basis() == "roofline"


def test_passes_have_the_threads_that_take_the_fewest_joules(
    own_daemon: Callable[..., Any], make_board: Callable[..., Any], store: Path, tools: Any
) -> None:
    def known() -> bool:
        return daemon.http.get("/edge/v1/board").json()["board"] is not None

    def spent(model: str, **edge: Any) -> tuple[Any, float, float]:
        """Return an answer's document, its seconds of passes, and those with a thread left over."""
        before = daemon.quiet()
        told, after = chat(daemon, model, **edge)["edge"], daemon.quiet()
        return told, *(after[name] - before[name] for name in ("native_s", "spare_s"))

    with make_board("raspberry-pi-5") as root:
        two = {"threads": 2, "context": 512, "sequences": 2}
        daemon = own_daemon(store, engine=two, sensors={"root": str(root)})
        (entry,) = Store(store, load_catalogue()).entries()
        daemon.terminate()
        folder = daemon.directory / "simulated" / "raspberry-pi-5"
        for threads in (1, 2):
            save_calibration(folder / "calibrations", _crowded(entry.sha256, threads))
        daemon.start()
        tools.eventually(known, "the board is recognised")
        told, native_s, spare_s = spent(GGUF)
        assert "threads" not in told
        assert (native_s > 0.0, spare_s) == (True, 0.0)
        told, native_s, spare_s = spent("auto", prefer="energy")
        assert told["threads"] == 1
        assert spare_s == pytest.approx(native_s)


def _crowded(sha256: str, threads: int) -> ModelCalibration:
    """Of a board on which a second thread draws much and helps little."""
    runtime = Runtime(0.01 / threads**0.2, 0.006)
    return ModelCalibration(
        board="raspberry-pi-5 (simulated)",
        model=GGUF,
        sha256=sha256,
        backend="llama.cpp",
        threads=threads,
        gpu_layers=0,
        kv_type="q8_0/f16",
        calibrated_at=datetime.now(timezone.utc),
        promise=runtime,
        error_ratio=0.02,
        draws=PhasePowers(3.0, 3.0 + threads, 3.0 + threads, "measured"),
    )
