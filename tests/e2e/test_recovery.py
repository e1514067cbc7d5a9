"""Engines are killed, stopped and replaced under streams of every kind, which all go on."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import psutil
import pytest

STORY = "Once upon a time there was a fox who"
MANY = {"max_tokens": 160, "ignore_eos": True}
KINDS = [
    {"prompt": STORY, "temperature": 0},
    {"prompt": "The rivers of Europe are", "temperature": 1.0, "seed": 5},
    {"prompt": STORY * 3, "temperature": 0, "edge": {"mode": "lookup"}},
    {"prompt": "Rain", "temperature": 0.8, "seed": 9, "n": 2, "logprobs": 2, "max_tokens": 80},
]
STILL_S = 300.0  # that no stream needs


class Stream:
    """One client that asks the same again and again, as long as `others` are at it."""

    def __init__(self, daemon, tools, kind) -> None:
        self._client, self._tools = daemon.client(), tools
        self._body = {"model": daemon.model, "stream": True} | MANY | kind
        self.whole = self.answer()
        self.answers = 0

    def answer(self):
        """Text and log-probabilities of each choice."""
        said = {}
        with self._client.stream("POST", "/v1/completions", json=self._body) as response:
            assert response.status_code == 200, response.read()
            for document in self._tools.events(response):
                assert "error" not in document, document
                for choice in document["choices"]:
                    text, tokens = said.setdefault(choice["index"], ([], []))
                    text.append(choice["text"])
                    tokens += (choice.get("logprobs") or {}).get("tokens", [])
        return {index: ("".join(text), tokens) for index, (text, tokens) in said.items()}

    def run(self, over: threading.Event) -> None:
        while not over.is_set():
            assert self.answer() == self.whole
            self.answers += 1


def strike(daemon, tools, sign, times, dice) -> None:
    """Hit engines at random moments, those of their start and their loading among them."""
    front = psutil.Process(daemon.process.pid)

    def engine():
        for child in front.children():
            if child.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_STOPPED):
                return child.pid
        return None

    for _ in range(times):
        time.sleep(dice.uniform(0.0, 3.0))
        os.kill(tools.eventually(engine, "an engine starts"), sign)


@pytest.mark.parametrize(
    ("kills", "hangs"),
    [pytest.param(4, 1, id="short"), pytest.param(100, 20, id="whole", marks=pytest.mark.whole)],
)
def test_every_stream_ends_as_if_nothing_had_been(own_daemon, tools, kills, hangs):
    daemon = own_daemon()
    streams = [Stream(daemon, tools, kind) for kind in KINDS]
    over, dice = threading.Event(), random.Random(1)

    def chaos() -> None:
        try:
            strike(daemon, tools, signal.SIGKILL, kills, dice)
            strike(daemon, tools, signal.SIGSTOP, hangs, dice)
        finally:
            over.set()

    tools.together([chaos, *(lambda s=s: s.run(over) for s in streams)])
    assert all(stream.answers for stream in streams)
    assert daemon.status()["engine"]["restarts"] >= kills + hangs
    booked = daemon.http.get("/edge/v1/ledger?last=1000").json()["last"]
    assert {line["status"] for line in booked} == {"lost", "done"}


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
