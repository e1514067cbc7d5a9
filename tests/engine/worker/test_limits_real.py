"""The real library within limits that change: slower, in other pieces, and the same tokens."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from edge_rt.backends.llama.model import park_threads
from edge_rt.core.events import Finished, Started
from edge_rt.engine.channel import Frames, encode, front_decoder
from edge_rt.engine.protocol import (
    Cancel,
    Failed,
    Generate,
    Loaded,
    LoadModel,
    ModelSpec,
    Ping,
    Pong,
    SetLimits,
    Shutdown,
    StepOutput,
    ToEngine,
    ToFront,
)
from edge_rt.engine.worker.loading import make_backend
from edge_rt.engine.worker.worker import Worker

PROMPT = "The quick brown fox jumps over the lazy dog. " * 4 + "Then"
FREE = SetLimits(1)


class Engine:
    """A worker in a thread, as its front sees it."""

    def __init__(self) -> None:
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(60)
        self._frames, self._got = Frames(), list[ToFront]()

        def serve() -> None:
            Worker(theirs, make_backend, backends={}, threads=1, park=park_threads).run()

        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()

    def send(self, *messages: ToEngine) -> None:
        self.sock.sendall(b"".join(map(encode, messages)))

    def until(self, *kinds: type) -> ToFront:
        """The next message of these kinds; deltas with text count as Step."""
        while True:
            while not self._got:
                decode = front_decoder().decode
                self._got += [decode(body) for body in self._frames.feed(self.sock.recv(1 << 16))]
            message = self._got.pop(0)
            assert not isinstance(message, Failed), message
            if isinstance(message, kinds) and getattr(message, "deltas", True):
                return message

    def answer(self, request: Generate, *limits: SetLimits) -> list[int]:
        """The tokens of `request`, with the next of `limits` set after each thing that is heard."""
        tokens: list[int] = []
        left = list(limits)
        self.send(request)
        while True:
            message = self.until(Started, StepOutput, Finished)
            if isinstance(message, StepOutput):
                tokens += [t for d in message.deltas if d.id == request.id for t in d.tokens]
            if isinstance(message, Finished):
                return tokens
            if left:
                self.send(left.pop(0))


@pytest.fixture(scope="module")
def loaded(smollm2: Path) -> Generator[Engine]:
    """An engine with SmolLM2 as "m"."""
    engine = Engine()
    engine.send(LoadModel("m", ModelSpec("llama.cpp", str(smollm2), 512, 2, 128, 32)))
    engine.until(Loaded)
    yield engine
    engine.send(Shutdown())
    engine.thread.join(20)
    assert not engine.thread.is_alive()


@pytest.fixture
def ask(new_request: Callable[..., Generate]) -> Callable[..., Generate]:
    """Makes requests whose prompts are never in memory already."""

    def make(id: int, **changes: object) -> Generate:
        asked = new_request(id, PROMPT, **{"max_tokens": 8, **changes})
        return Generate(id, "m", asked.prompt, False, asked.sampling, asked.max_tokens)

    return make


@pytest.fixture
def engine(loaded: Engine, ask: Callable[..., Generate]) -> Engine:
    """The engine without limits, and with nothing of the prompt in memory."""
    loaded.send(FREE)
    for id in (900, 901):  # as many as there are sequences
        loaded.answer(Generate(id, "m", [id % 7 + 5] * 20, False, ask(id).sampling, 1))
    return loaded


@pytest.fixture(scope="module")
def alone(loaded: Engine, new_request: Callable[..., Generate]) -> list[int]:
    """Return what is said without any limit."""
    asked = new_request(1, PROMPT)
    return loaded.answer(Generate(1, "m", PROMPT, False, asked.sampling, 8))


@pytest.mark.parametrize(
    "limits",
    [
        [SetLimits(1, 1.0, 4)],
        [SetLimits(1, 1.0, 7), SetLimits(2, 1.0, 30), SetLimits(1, 1.0, 1), FREE],
        [SetLimits(1, 0.7), SetLimits(1, 0.4, 8), SetLimits(1, 0.9)],
    ],
)
def test_greedy_answers_are_the_same_whatever_limits_change_under_way(
    engine: Engine, ask: Callable[..., Generate], alone: list[int], limits: list[SetLimits]
) -> None:
    engine.send(SetLimits(1, 1.0, 9))
    assert engine.answer(ask(2), *limits) == alone
    assert len(alone) == 8


def test_a_stop_in_the_middle_of_a_prompt_loses_nothing(
    engine: Engine, ask: Callable[..., Generate], alone: list[int]
) -> None:
    engine.send(SetLimits(1, 1.0, 4), ask(3))
    engine.until(Started)
    engine.send(SetLimits(1, 0.0), Ping(1))
    stopped = engine.until(Pong)
    engine.send(Ping(2))
    still = engine.until(Pong)
    assert isinstance(stopped, Pong)
    assert isinstance(still, Pong)
    assert (still.steps, still.running) == (stopped.steps, 1)
    engine.send(FREE)
    tokens: list[int] = []
    while isinstance(message := engine.until(StepOutput, Finished), StepOutput):
        tokens += [t for d in message.deltas for t in d.tokens]
    assert tokens == alone


def test_who_is_cancelled_in_a_long_rest_is_gone_before_it_ends(
    engine: Engine, ask: Callable[..., Generate]
) -> None:
    engine.send(SetLimits(1, 0.0), ask(4), ask(5))
    engine.send(Cancel(4), Cancel(5), Ping(1))
    pong = engine.until(Pong)
    assert isinstance(pong, Pong)
    assert (pong.running, pong.waiting) == (0, 0)
