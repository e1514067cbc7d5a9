"""The engine keeps beginnings of prompts where it is told to, says so, and forgets them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from edge_rt.core.cached import Prefixes, Which
from edge_rt.core.events import Finished, Started
from edge_rt.engine.channel import Frames, encode, front_decoder
from edge_rt.engine.protocol import (
    AskPrefixes,
    Generate,
    KeepPrefixes,
    Loaded,
    LoadModel,
    ModelOrigin,
    ModelSpec,
    Shutdown,
    ToEngine,
    Unloaded,
    UnloadModel,
)
from edge_rt.engine.worker.worker import Worker

SYSTEM = [5, 9, 7, 11] * 20
TOKEN_S = 0.005  # that the toy takes for a token: what it has to take for reading to be worth it
SPEC = ModelSpec("toy", "toy.gguf", 256, 3, 64, 16, origin=ModelOrigin("toy", "a" * 64))


class Engine:
    """A worker in a thread, and the front's end of its socket."""

    def __init__(self, toy: Callable[..., Any], folder: Path | None) -> None:
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(60)
        self._frames, self._got = Frames(), []
        self._ids = iter(range(1, 99))
        self._toy = toy
        worker = Worker(theirs, self._make, backends={"toy": "1"}, threads=2)
        self._thread = threading.Thread(target=worker.run, daemon=True)
        self._thread.start()
        if folder is not None:
            self.send(KeepPrefixes(str(folder), 1 << 20, 1 << 20, False))
        self.send(LoadModel("toy", SPEC))
        self.until(Loaded)

    def _make(self, spec: ModelSpec, threads: int) -> Any:
        backend = self._toy(context=spec.context, sequences=spec.sequences)
        forward = backend.forward

        def slow() -> None:
            time.sleep(TOKEN_S * backend.batch.size)
            forward()

        backend.forward = slow
        return backend

    def send(self, message: ToEngine) -> None:
        self.sock.sendall(encode(message))

    def until(self, kind: type) -> Any:
        while True:
            while self._got:
                message = self._got.pop(0)
                if isinstance(message, kind):
                    return message
            data = self.sock.recv(1 << 16)
            assert data, "the worker hung up"
            self._got += map(front_decoder().decode, self._frames.feed(data))

    def end(self) -> None:
        self.send(Shutdown())
        self._thread.join(60)
        self.sock.close()
        assert not self._thread.is_alive()


@pytest.fixture
def start(toy: Callable[..., Any], tmp_path: Path) -> Generator[Callable[..., Engine]]:
    """Starts engines, by default one that keeps beginnings in the same folder as the others."""
    made: list[Engine] = []

    def engine(folder: Path | None = tmp_path / "prefixes") -> Engine:
        made.append(Engine(toy, folder))
        return made[-1]

    yield engine
    for one in made:
        one.sock.close()


@pytest.fixture
def ask(new_request: Callable[..., Generate]) -> Callable[..., Started]:
    """Asks an engine something under SYSTEM; where the answer began."""

    def asked(engine: Engine, tail: int) -> Started:
        id = next(engine._ids)
        engine.send(new_request(id, [*SYSTEM, tail, tail], client="me", max_tokens=2))
        started = engine.until(Started)
        engine.until(Finished)
        return started

    return asked


def kept(engine: Engine, forget: Which | None = None) -> Prefixes:
    engine.send(AskPrefixes(7, forget))
    told = engine.until(Prefixes)
    assert told.nonce == 7
    return told


def test_what_is_kept_outlives_the_engine_and_is_told_and_forgotten(
    start: Callable[..., Engine], ask: Callable[..., Started], tmp_path: Path
) -> None:
    engine = start()
    assert [ask(engine, tail).restored_tokens for tail in (20, 21)] == [0, 0]
    engine.end()
    engine = start()
    assert any(kept(engine).groups for _ in range(100_000))  # found while models are loaded
    assert ask(engine, 22).restored_tokens == len(SYSTEM)
    (group,) = (told := kept(engine)).groups
    assert (told.enabled, told.stored, told.max_bytes) == (True, True, 1 << 20)
    assert (group.model, group.client, group.prefixes, group.tokens) == ("toy", "me", 1, 80)
    assert kept(engine, Which(client="you")).forgotten == 0
    told = kept(engine, Which(model="toy"))
    assert (told.forgotten, told.groups) == (1, [])
    assert not list((tmp_path / "prefixes").iterdir())
    engine.end()
    assert not list((tmp_path / "prefixes").iterdir())


def test_it_outlives_the_model(start: Callable[..., Engine], ask: Callable[..., Started]) -> None:
    engine = start()
    for tail in (20, 21):
        ask(engine, tail)
    engine.send(UnloadModel("toy"))
    engine.until(Unloaded)
    engine.send(LoadModel("toy", SPEC))
    engine.until(Loaded)
    assert ask(engine, 22).restored_tokens == len(SYSTEM)
    engine.end()


def test_an_engine_that_is_told_nothing_keeps_nothing(
    start: Callable[..., Engine], ask: Callable[..., Started]
) -> None:
    engine = start(None)
    for tail in (20, 21):
        ask(engine, tail)
    assert kept(engine, Which()) == Prefixes(7, enabled=False)
    engine.end()
