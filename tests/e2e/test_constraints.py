"""Answers of the real daemon that programs can read, also where the engine is killed in between."""

from __future__ import annotations

import json
import random
import signal
from typing import Any

import httpx
import jsonschema
import pytest
from strikes import Asking, beset, streamed

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 16},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "colours": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "maxItems": 3},
    },
    "required": ["name", "age", "colours"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}}
ASK = [{"role": "user", "content": "Describe a person as JSON."}]
KINDS = [
    {"temperature": 0},
    {"temperature": 1.0, "seed": 5, "n": 2},
    {"temperature": 0.8, "seed": 9, "edge": {"mode": "lookup"}},
]


def asked(daemon: Any, **fields: Any) -> httpx.Response:
    body = {"model": daemon.model, "messages": ASK, "max_tokens": 120, "temperature": 0} | fields
    return daemon.http.post("/v1/chat/completions", json=body)


@pytest.mark.parametrize("kind", KINDS)
def test_each_answer_is_valid_by_the_schema(daemon, kind):
    answer = asked(daemon, response_format=FORMAT, **kind).json()
    for choice in answer["choices"]:
        assert choice["finish_reason"] == "stop"
        jsonschema.validate(json.loads(choice["message"]["content"]), SCHEMA)
    assert answer["edge"]["constraint"]["forced_tokens"] > 0


def test_the_time_to_compile_a_schema_is_told_once(daemon):
    schema = {"type": "object", "properties": {"told once": {"type": "null"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}

    def compile_ms() -> float:
        answer = asked(daemon, response_format=wanted, max_tokens=4).json()
        return answer["edge"]["constraint"]["compile_ms"]

    assert compile_ms() > 0
    assert compile_ms() == 0


def test_what_an_answer_waits_is_in_the_next_plan_and_trace(daemon):
    def planned(**more: Any) -> dict[str, Any]:
        body = {"messages": ASK, "models": [daemon.model], "threads": [1], "fresh": True} | more
        [one] = daemon.http.post("/edge/v1/plan", json=body).json()["candidates"]
        return one

    cost = asked(daemon, response_format=FORMAT).json()["edge"]["constraint"]
    assert cost["wait_ms"] > 0
    free, held = planned(), planned(constrained=True)
    assert free["mask_wait_s"] is None
    assert held["mask_wait_s"] > 0
    assert held["seconds"] == pytest.approx(free["seconds"] + held["mask_wait_s"])
    traced = asked(daemon, response_format=FORMAT, edge={"trace": True}).json()["edge"]
    assert traced["route_trace"]["considered"][0]["candidate"]["mask_wait_s"] > 0


def test_an_answer_without_room_is_the_beginning_of_one(daemon):
    whole = asked(daemon, response_format=FORMAT).json()["choices"][0]["message"]["content"]
    cut = asked(daemon, response_format=FORMAT, max_tokens=9).json()["choices"][0]
    assert cut["finish_reason"] == "length"
    assert whole.startswith(cut["message"]["content"])


def test_other_fields_constrain_the_text_too(daemon):
    def text(**fields: Any) -> str:
        return asked(daemon, **fields).json()["choices"][0]["message"]["content"]

    assert text(edge={"choice": ["yes", "no"]}) in ("yes", "no")
    assert text(edge={"regex": "[0-9]{3}-[0-9]{4}"})[3] == "-"
    assert text(grammar='root ::= "<" [a-z]+ ">"', max_tokens=40)[0] == "<"
    assert text(response_format={"type": "json_object"})[0] == "{"


@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_enforced_is_refused_before_a_byte_is_sent(daemon, stream):
    schema = {"type": "object", "properties": {"a": {"not": {"type": "null"}}}}
    strict = {"type": "json_schema", "json_schema": {"strict": True, "schema": schema}}
    response = asked(daemon, response_format=strict, stream=stream)
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "response_format")
    assert '["not"]' in error["message"]


@pytest.mark.parametrize(
    "kills", [pytest.param(4, id="short"), pytest.param(40, id="whole", marks=pytest.mark.whole)]
)
def test_a_killed_engine_changes_no_answer(own_daemon, tools, kills):
    daemon = own_daemon()

    def stream(kind: dict[str, Any]) -> Asking:
        body = {"model": daemon.model, "prompt": "A person as JSON:", "max_tokens": 120}
        body |= {"response_format": FORMAT} | kind
        return Asking(daemon.client(), streamed("/v1/completions", tools.events, body))

    streams = [stream(kind) for kind in KINDS]
    signs = [signal.SIGKILL] * kills
    beset(tools.together, daemon.process.pid, signs, random.Random(2), streams)
    assert all(stream.answers > 1 for stream in streams)
    assert daemon.status()["engine"]["restarts"] >= kills
