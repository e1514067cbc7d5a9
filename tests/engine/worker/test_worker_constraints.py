"""Grammars are compiled beside the decode loop, and a request waits for its own alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest

from edge_rt.decoding.constraints.grammars import Grammars
from edge_rt.decoding.params import Constraint
from edge_rt.engine.channel import Frames, encode, front_decoder
from edge_rt.engine.protocol import (
    Cancel,
    Failed,
    Finished,
    Loaded,
    LoadModel,
    ModelSpec,
    Ping,
    Pong,
    Shutdown,
    StepOutput,
    ToEngine,
    ToFront,
    UnloadModel,
)
from edge_rt.engine.worker.worker import Worker

SPEC = ModelSpec("toy", "toy.gguf", 96, 3, 64, 16)
ABC = Constraint("regex", "[abc]{4}", param="edge.regex")


class Front:
    """The other end of a worker in a thread."""

    def __init__(self, toy: Callable[[], Any]) -> None:
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(20)
        self._frames, self._got = Frames(), list[ToFront]()
        worker = Worker(theirs, lambda spec, threads: toy(), backends={}, threads=1)
        self.thread = threading.Thread(target=worker.run, daemon=True)
        self.thread.start()
        self.send(LoadModel("toy", SPEC))
        self.until(Loaded)

    def send(self, *messages: ToEngine) -> None:
        self.sock.sendall(b"".join(map(encode, messages)))

    def until(self, *kinds: type) -> Any:
        """The next message of one of `kinds`; others are dropped."""
        while True:
            while not self._got:
                data = self.sock.recv(1 << 16)
                assert data, "the worker hung up"
                self._got += map(front_decoder().decode, self._frames.feed(data))
            if isinstance(message := self._got.pop(0), kinds):
                return message

    def answer(self) -> str:
        """The text of the next answer."""
        text = ""
        while isinstance(message := self.until(StepOutput, Finished, Failed), StepOutput):
            text += "".join(delta.text for delta in message.deltas)
        assert isinstance(message, Finished), message
        return text


@pytest.fixture
def front(toy: Callable[[], Any]) -> Generator[Front]:
    made = Front(toy)
    yield made
    made.send(Shutdown())
    made.thread.join(10)
    assert not made.thread.is_alive()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Generator[threading.Event]:
    """Opens to let grammars of ABC be compiled."""
    made, opened = Grammars._made, threading.Event()

    def waits(self: Grammars, constraint: Constraint) -> Any:
        assert constraint != ABC or opened.wait(10)
        return made(self, constraint)

    monkeypatch.setattr(Grammars, "_made", waits)
    yield opened
    opened.set()


def test_others_are_answered_while_a_grammar_is_compiled(
    front: Front, gate: threading.Event, new_request: Callable
) -> None:
    front.send(new_request(1, "ab", constraint=ABC), new_request(2, "ab", max_tokens=4))
    assert len(front.answer()) >= 4
    gate.set()
    text = front.answer()
    assert len(text) == 4
    assert set(text) <= set("abc")


def test_what_cannot_be_compiled_fails(front: Front, new_request: Callable) -> None:
    front.send(new_request(1, "ab", constraint=Constraint("regex", "a(", param="edge.regex")))
    failed = front.until(Failed)
    assert (failed.id, failed.param, failed.code) == (1, "edge.regex", "invalid_constraint")


def test_a_request_that_is_dropped_meanwhile_is_not_answered(
    front: Front, gate: threading.Event, new_request: Callable
) -> None:
    front.send(new_request(1, "ab", constraint=ABC), Cancel(1), Ping(7))
    assert front.until(Pong, Finished).waiting == 0
    gate.set()
    front.send(new_request(2, "ab", constraint=ABC))
    assert front.until(Finished, Failed).id == 2


def test_a_model_that_is_unloaded_meanwhile_fails_the_request(
    front: Front, gate: threading.Event, new_request: Callable
) -> None:
    front.send(new_request(1, "ab", constraint=ABC), UnloadModel("toy"))
    gate.set()
    failed = front.until(Failed, Finished)
    assert (failed.id, failed.code) == (1, "not_loaded")
