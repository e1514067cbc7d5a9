"""Engines are killed, stopped and replaced under streams of every kind, which all go on."""

from __future__ import annotations

import os
import random
import signal

import pytest
from strikes import Asking, beset, streamed

STORY = "Once upon a time there was a fox who"
MANY = {"max_tokens": 160, "ignore_eos": True}
KINDS = [
    {"prompt": STORY, "temperature": 0},
    {"prompt": "The rivers of Europe are", "temperature": 1.0, "seed": 5},
    {"prompt": STORY * 3, "temperature": 0, "edge": {"mode": "lookup"}},
    {"prompt": "Rain", "temperature": 0.8, "seed": 9, "n": 2, "logprobs": 2, "max_tokens": 80},
]


@pytest.mark.parametrize(
    ("kills", "hangs"),
    [pytest.param(4, 1, id="short"), pytest.param(100, 20, id="whole", marks=pytest.mark.whole)],
)
def test_every_stream_ends_as_if_nothing_had_been(own_daemon, tools, kills, hangs):
    daemon = own_daemon()

    def stream(kind) -> Asking:
        body = {"model": daemon.model} | MANY | kind
        return Asking(daemon.client(), streamed("/v1/completions", tools.events, body))

    streams = [stream(kind) for kind in KINDS]
    signs = [signal.SIGKILL] * kills + [signal.SIGSTOP] * hangs
    beset(tools.together, daemon.process.pid, signs, random.Random(1), streams)
    assert all(stream.answers > 1 for stream in streams)
    assert daemon.status()["engine"]["restarts"] >= kills + hangs
    booked = daemon.http.get("/edge/v1/ledger?last=1000").json()["last"]
    assert {line["status"] for line in booked} == {"done"}


def test_a_stopped_engine_is_replaced_when_it_is_wanted(own_daemon):
    daemon = own_daemon()
    before = daemon.complete(STORY, max_tokens=8)
    os.kill(daemon.engine()["pid"], signal.SIGSTOP)
    assert daemon.complete(STORY, max_tokens=8) == before
    assert "hung" in daemon.status()["engine"]["lost"]


def test_models_are_loaded_again_though_nobody_asks(own_daemon, tools):
    daemon = own_daemon()
    daemon.complete(STORY, max_tokens=1)
    daemon.kill_engine()
    tools.eventually(lambda: daemon.loaded() == {daemon.model}, "the model is loaded again")
