"""Answers of the real daemon that a program judges, also where the program or the engine fails."""

from __future__ import annotations

import random
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from strikes import Asking, beset, streamed

CHECKER = str(Path(__file__).parent / "checkers" / "additions.py")
ADDITION = re.compile(r"([1-9]\d?)\+([1-9]\d?)=(\d+)")
PROMPT = "Some additions: 3+4=7, 12+7=19, "
KINDS = [
    {"temperature": 0},
    {"temperature": 1.0, "seed": 5, "n": 3},
    {"temperature": 0.9, "seed": 6, "top_p": 0.8, "logprobs": 2},
    {"temperature": 0.8, "seed": 9, "edge": {"mode": "lookup"}},
    {"temperature": 1.5, "seed": 2, "edge": {"regex": "[0-9+]+=[0-9]+"}},
]


def checks() -> dict[str, Any]:
    commands = {name: [sys.executable, CHECKER, name] for name in ("die", "hang", "nonsense")}
    commands |= {"additions": [sys.executable, CHECKER], "false": ["/bin/false"]}
    return {name: {"command": command} for name, command in commands.items()}


@pytest.fixture(scope="module")
def daemon(make_daemon):
    daemon = make_daemon(checks=checks())
    yield daemon
    daemon.close()


def asked(name: str = "additions", **fields: Any) -> dict[str, Any]:
    edge = {"check": name} | fields.pop("edge", {})
    body = {"prompt": PROMPT, "max_tokens": 24, "temperature": 0, "edge": edge}
    return body | fields


def right(text: str) -> bool:
    match = ADDITION.fullmatch(text)
    return match is not None and int(match[1]) + int(match[2]) == int(match[3])


@pytest.mark.parametrize("kind", KINDS)
def test_each_answer_is_one_that_the_checker_calls_complete(daemon, kind):
    answer = daemon.post(asked(**kind)).json()
    assert [choice["finish_reason"] for choice in answer["choices"]] == ["stop"] * kind.get("n", 1)
    assert all(right(choice["text"]) for choice in answer["choices"])
    told = answer["edge"]["check"]
    assert told["calls"] >= answer["usage"]["completion_tokens"]
    assert 0 < told["messages"] <= told["calls"]
    drawn = kind["temperature"] > 0
    assert all((weight is not None) == drawn for weight in told["log_weights"])
    assert all(weight <= 1e-9 for weight in told["log_weights"] if weight is not None)
    again = daemon.post(asked(**kind)).json()
    assert again["choices"] == answer["choices"]
    assert again["edge"]["check"]["log_weights"] == told["log_weights"]


def test_a_stream_is_the_same(daemon, tools):
    whole = daemon.post(asked(temperature=1.0, seed=3)).json()
    with daemon.stream(**asked(temperature=1.0, seed=3)) as documents:
        told = list(documents)
    text = "".join(tools.texts(iter(told)))
    assert text == whole["choices"][0]["text"]
    assert right(text)
    assert told[-1]["edge"]["check"]["log_weights"] == whole["edge"]["check"]["log_weights"]


def test_a_chat_too(daemon):
    messages = [{"role": "user", "content": "Write an addition."}]
    body = {"messages": messages, "max_tokens": 24, "edge": {"check": "additions"}}
    answer = daemon.post(body, "/v1/chat/completions").json()
    assert right(answer["choices"][0]["message"]["content"])


def test_stop_strings_and_room_end_an_answer_early(daemon):
    whole = daemon.post(asked()).json()["choices"][0]["text"]
    cut = daemon.post(asked(stop="=")).json()["choices"][0]
    assert (cut["text"], cut["finish_reason"]) == (whole.partition("=")[0], "stop")
    short = daemon.post(asked(max_tokens=2)).json()["choices"][0]
    assert short["finish_reason"] == "length"
    assert whole.startswith(short["text"])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("die", "ended with exit code 3"),
        ("hang", "did not answer within 1 s"),
        ("nonsense", "answered nonsense"),
        ("false", "ended with exit code 1"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_checker_that_fails_ends_its_request_alone(daemon, tools, name, says, stream):
    engine = daemon.engine()["pid"]
    with daemon.http.stream("POST", "/v1/completions", json=asked(name, stream=stream)) as response:
        response.read()
        *_, last = tools.events(response) if response.status_code == 200 else [response.json()]
    assert last["error"]["message"] == f"`edge.check`: the checker '{name}' {says}" or (
        name == "nonsense" and says in last["error"]["message"]
    )
    assert right(daemon.post(asked()).json()["choices"][0]["text"])
    assert daemon.engine()["pid"] == engine


def test_an_unknown_checker_is_told_the_known_ones(daemon):
    response = daemon.post(asked("sql"))
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "edge.check")
    assert "additions, die, false, hang, nonsense" in error["message"]


def test_a_killed_engine_changes_no_answer(own_daemon, tools):
    daemon = own_daemon(checks=checks())
    long = {"edge": {"check": "additions"}, "prompt": PROMPT, "max_tokens": 24}
    streams = [
        Asking(daemon.client(), streamed("/v1/completions", tools.events, long | kind))
        for kind in ({"temperature": 0}, {"temperature": 1.2, "seed": 4, "n": 4})
    ]
    weights = Asking(
        daemon.client(),
        lambda client: client.post(
            "/v1/completions", json=long | {"temperature": 1.0, "seed": 8}
        ).json()["edge"]["check"]["log_weights"],
    )
    signs = [signal.SIGKILL] * 6
    beset(tools.together, daemon.process.pid, signs, random.Random(2), [*streams, weights])
    assert daemon.status()["engine"]["restarts"] >= 6
