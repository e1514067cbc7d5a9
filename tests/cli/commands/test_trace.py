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
        "basis": "calibrated",
    }
    return {"candidate": candidate | other, "state": state, "reason": reason, "rule": None}


TRACE = {
    "model": "auto",
    "phi": 0.8312,
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


def test_what_was_learnt_is_told_once_for_a_model_and_a_mode(daemon: Daemon, cli: Cli) -> None:
    learnt = {
        "marks": 3.0,
        "presumed": 0.7,
        "p": 0.8125,
        "answers": 5.5,
        "joules_ratio": 1.25,
        "seconds_ratio": 0.9,
    }
    nothing = {**learnt, "marks": 0.0, "answers": 0.0}
    rows = [
        considered("chosen", "smol", "best", learnt=learnt),
        considered("front", "smol", "with less threads", learnt=learnt),
        considered("front", "big", "it takes more", learnt=nothing),
    ]
    daemon.documents[PATH] = (200, {**TRACE, "considered": rows})
    told = [line for line in cli("trace", "chatcmpl-7").stdout.splitlines() if "learnt of" in line]
    assert told == [
        "learnt of smol with such prompts: 3.0 marks, so 0.81 in place of 0.70; 5.5 answers, so "
        "1.25 times the joules, 0.90 the seconds"
    ]


def test_every_candidate_has_a_row_and_the_chosen_one_a_mark(daemon: Daemon, cli: Cli) -> None:
    daemon.documents[PATH] = (200, TRACE)
    why, _, head, chosen, other, *_, phi = cli("trace", "chatcmpl-7").stdout.splitlines()
    assert phi.startswith("Phi 0.83: ")
    assert why == TRACE["why"]
    assert head.split()[:3] == ["model", "variant", "threads"]
    for word in ("*", "smol", "onnx int4", "93+128", "2.35", "4.50 J", "8 %", "calibrated"):
        assert word in chosen
    assert not other.startswith("*")
    for word in ("[b]big[/b][2J", "onnx int4, not loaded", "-+128", "99% of the memory"):
        assert word in other


def test_a_leakage_that_is_assumed_is_named_so(daemon: Daemon, cli: Cli) -> None:
    daemon.documents[PATH] = (200, TRACE | {"phi_source": "assumed"})
    *_, phi = cli("trace", "chatcmpl-7").stdout.splitlines()
    assert phi.startswith("Phi 0.83 (leakage assumed): ")
    daemon.documents[PATH] = (200, TRACE | {"phi_source": "measured"})
    *_, phi = cli("trace", "chatcmpl-7").stdout.splitlines()
    assert phi.startswith("Phi 0.83: ")


def test_how_models_are_loaded_is_told_where_that_differs(daemon: Daemon, cli: Cli) -> None:
    ways = [
        {"variant": "smol", "threads": 2, "gpu_layers": 9, "kv_type": k} for k in ("f16", "q4_0")
    ]
    rows = [considered("front", "smol", "", setting=way) for way in ways]
    daemon.documents[PATH] = (200, TRACE | {"considered": rows})
    first, second = cli("trace", "chatcmpl-7").stdout.splitlines()[3:5]
    assert "onnx int4, KV f16, GPU 9" in first
    assert "onnx int4, KV q4_0, GPU 9" in second


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


def test_what_was_expected_of_each_model_is_told_with_its_reasons(daemon: Daemon, cli: Cli) -> None:
    chance = {"p": 0.318, "reasons": ["arc 0.32, so -0.75", "[b]many words\x1b[2J -0.40"]}
    features = {"kind": "maths", "length": "short", "level": "hard"}
    assessed = {"features": features, "chances": {"smol": chance}}
    daemon.documents[PATH] = (200, TRACE | {"assessed": assessed})
    *_, prompt, smol, _, _ = cli("trace", "chatcmpl-7").stdout.splitlines()
    assert prompt == "prompt: maths, short, hard"
    assert smol == ("smol good enough with 0.32: arc 0.32, so -0.75; [b]many words[2J -0.40")
