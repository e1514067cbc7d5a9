"""`trace` says why a request was served as it was."""

from __future__ import annotations

import json
from typing import Any

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any
Json = dict[str, Any]
PATH = "/edge/v1/trace/chatcmpl-7"


def considered(state: str, variant: str, reason: str, **other: Any) -> Json:
    candidate = {
        "setting": {"variant": variant, "threads": 2, "gpu_layers": 0, "mode": "single"},
        "backend": "onnx",
        "quantisation": "int4",
        "loaded": True,
        "prompt_tokens": 93,
        "completion_tokens": 128,
        "seconds": 2.345,
        "energy_j": 4.5,
        "power_w": None,
        "error_ratio": 0.08,
        "quality": 0.467,
        "basis": "calibrated",
    }
    return {"candidate": candidate | other, "state": state, "reason": reason, "rule": None}


TRACE = {
    "model": "auto",
    "why": "smol with 2 threads: the fewest joules of 2",
    "considered": [
        considered("chosen", "smol", "the fewest joules of 2"),
        considered(
            "dropped",
            "[b]big[/b]\x1b[2J",
            "it would fill 99% of the memory",
            loaded=False,
            seconds=None,
            energy_j=None,
            prompt_tokens=None,
            error_ratio=None,
            basis=None,
        ),
    ],
}


def test_every_candidate_has_a_row_and_the_chosen_one_a_mark(daemon: Daemon, cli: Cli) -> None:
    daemon.documents[PATH] = (200, TRACE)
    model, why, _, head, chosen, other = cli("trace", "chatcmpl-7").stdout.splitlines()
    assert (model.split(), why.split(None, 1)) == (["model", "auto"], ["why", TRACE["why"]])
    assert head.split()[:4] == ["variant", "threads", "mode", "seconds"]
    figures = "* smol 2 single 2.35 s 4.50 J 0.467 8 % calibrated onnx int4 yes 0 93 128"
    assert " ".join(chosen.split()).startswith(figures)
    unknown = "[b]big[/b][2J 2 single - - 0.467 - - onnx int4 no 0 - 128 it would fill 99% of"
    assert " ".join(other.split()).startswith(unknown)


def test_how_models_are_loaded_is_told(daemon: Daemon, cli: Cli) -> None:
    ways = [
        {"variant": "smol", "threads": 2, "gpu_layers": 9, "kv_type": k} for k in ("f16", "q4_0")
    ]
    rows = [considered("able", "smol", "", setting=way) for way in ways]
    daemon.documents[PATH] = (200, TRACE | {"considered": rows})
    head, first, second = (
        line.split() for line in cli("trace", "chatcmpl-7").stdout.splitlines()[3:]
    )
    assert " ".join(head).endswith("gpu layers kv type prompt tokens completion tokens")
    assert ("f16" in first, "q4_0" in second, "9" in first) == (True, True, True)


def test_the_trace_itself_can_be_had(daemon: Daemon, cli: Cli) -> None:
    daemon.documents[PATH] = (200, TRACE)
    assert json.loads(cli("trace", "chatcmpl-7", "--json").stdout) == TRACE


def test_an_id_cannot_leave_its_place_in_the_path(daemon: Daemon, cli: Cli) -> None:
    daemon.documents["/edge/v1/trace/..%2Fstatus%3Fx"] = (200, TRACE)
    assert cli("trace", "../status?x").exit_code == 0


def test_a_request_without_a_trace_is_an_error(daemon: Daemon, cli: Cli) -> None:
    error = {"error": {"message": "no trace of a request 'x'", "code": "trace_not_found"}}
    daemon.documents["/edge/v1/trace/x"] = (400, error)
    result = cli("trace", "x")
    assert (result.exit_code, "no trace" in result.stderr) == (1, True)
