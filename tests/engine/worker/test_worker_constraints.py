"""Grammars are compiled beside the decode loop, and a request waits for its own alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from multiprocessing import connection
from types import SimpleNamespace
from typing import Any

import pytest

from edge_rt.core.decoding import Constraint
from edge_rt.core.events import Finished
from edge_rt.decoding.constraints import grammars
from edge_rt.decoding.constraints.grammars import Grammars
from edge_rt.decoding.constraints.process import TimeLimits
from edge_rt.engine.channel import Frames, encode, front_decoder
from edge_rt.engine.protocol import (
    Cancel,
    Failed,
    Loaded,
    LoadModel,
    ModelSpec,
    Ping,
    Pong,
    Shutdown,
    StepOutput,
    ToEngine,
    ToFront,
    Unloaded,
    UnloadModel,
)
from edge_rt.engine.worker import port
from edge_rt.engine.worker.worker import Worker

Wanted = Callable[[float], bool]
SPEC = ModelSpec("toy", "toy.gguf", 96, 3, 64, 16)
ABC = Constraint("regex", "[abc]{4}", param="edge.regex")
DEAR = Constraint("json_schema", '{"type": "integer", "multipleOf": 999983}')


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

    def waits(self: Grammars, constraint: Constraint, wanted: Wanted, limits: TimeLimits) -> Any:
        assert constraint != ABC or opened.wait(10)
        return made(self, constraint, wanted, limits)

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


def test_a_client_has_one_compiled_at_a_time_and_others_do_not_wait_for_it(
    front: Front, gate: threading.Event, new_request: Callable
) -> None:
    other = Constraint("regex", "[bc]{3}", param="edge.regex")
    front.send(
        new_request(1, "ab", constraint=ABC, user="one"),
        new_request(2, "ab", constraint=other, user="one"),
        new_request(3, "ab", constraint=other, user="two"),
    )
    assert front.until(Finished).id == 3
    gate.set()
    assert {front.until(Finished).id for _ in range(2)} == {1, 2}


def test_a_client_that_leaves_ends_what_is_compiled_for_it(
    front: Front, new_request: Callable
) -> None:
    front.send(new_request(1, "ab", constraint=ABC, user="one"))  # so that the next is begun soon
    front.until(Finished)
    front.send(
        new_request(2, "ab", constraint=DEAR, user="one"),
        new_request(3, "ab", constraint=ABC, user="one"),
        Cancel(2),
    )
    assert front.until(Finished, Failed).id == 3


def test_a_model_is_unloaded_while_a_constraint_is_compiled(
    front: Front, new_request: Callable
) -> None:
    front.send(new_request(1, "ab", constraint=ABC))
    front.until(Finished)
    front.send(new_request(2, "ab", constraint=DEAR), Ping(1))
    front.until(Pong)
    front.send(UnloadModel("toy"))
    front.until(Unloaded)
    failed = front.until(Failed)
    assert (failed.id, failed.code) == (2, "not_loaded")


def test_what_is_too_dear_fails_the_request_alone(
    front: Front, new_request: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammars, "COMPILATION", TimeLimits(0.1, 60.0))
    front.send(new_request(1, "ab", constraint=DEAR), new_request(2, "ab", max_tokens=4))
    assert len(front.answer()) >= 4
    failed = front.until(Failed, Finished)
    assert (failed.id, failed.code) == (1, "constraint_too_complex")


def test_who_compiles_long_makes_room_where_all_places_are_taken(
    front: Front, new_request: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "PATIENCE_S", 0.0)
    front.send(new_request(1, "ab", constraint=ABC))
    front.until(Finished)
    for number in range(port.AT_ONCE):
        dear = Constraint("json_schema", f'{{"type": "integer", "multipleOf": {999983 + number}}}')
        front.send(new_request(10 + number, "ab", constraint=dear, user=f"client {number}"))
    other = Constraint("regex", "[bc]{3}", param="edge.regex")
    front.send(new_request(3, "ab", constraint=other, user="other"))
    gone, message = list[Failed](), front.until(Failed, Finished)
    while isinstance(message, Failed):
        gone.append(message)
        message = front.until(Failed, Finished)
    assert message.id == 3
    assert gone[0].retry_after_s is not None
    assert "others wait" in gone[0].message


class Compiling:
    """A scheduler, as a Compilation sees it, that compiles by calling a function."""

    def __init__(self, compile: Callable[[Wanted], None]) -> None:
        self.grammars, self._compile, self.idle = self, compile, list[bool]()

    def compile(self, constraint: Constraint, wanted: Wanted, *, idle: bool) -> None:
        self.idle.append(idle)
        self._compile(wanted)


def compiled(request: Any, compile: Callable[[Wanted], None]) -> port.Compilation:
    crowded = threading.Event()
    crowded.set()
    homes: Any = [Compiling(compile), Compiling(compile)]
    return port.Compilation(request, homes, crowded).run()


def test_patience_begins_with_each_compilation_not_with_what_precedes_it(
    new_request: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, wanted_then = [0.0], list[bool]()
    monkeypatch.setattr(port, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def compile(wanted: Wanted) -> None:
        for passed_s in (10.0, 1.5, 1.0):
            now[0] += passed_s
            wanted_then.append(wanted(0.0))

    assert compiled(new_request(1, "ab", constraint=ABC), compile).error is None
    assert wanted_then == 2 * [True, True, False]


def test_who_was_expensive_waits_for_all_other_work_for_a_while(
    new_request: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(port, "time", SimpleNamespace(monotonic=lambda: now[0]))
    costs = iter((2 * port.EXPENSIVE_S, 0.0, 0.0, 0.0))
    home: Any = Compiling(lambda wanted: wanted(next(costs)) and None)
    compiler = port.Compiler(lambda request: [home])

    def run(user: str) -> None:
        compiler.start(new_request(1, "ab", constraint=ABC, user=user))
        assert connection.wait([compiler.fileno()], 60.0)
        assert len(list(compiler.finished())) == 1

    for user in ("rude", "rude", "polite"):
        run(user)
    now[0] += port.FORGIVEN_S + 1.0
    run("rude")
    assert home.idle == [False, True, False, False]
    compiler.close()


def test_a_fault_is_told_to_the_log_alone(
    new_request: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    def compile(wanted: Wanted) -> None:
        raise OSError(24, "Too many open files")

    error = compiled(new_request(1, "ab", constraint=ABC), compile).error
    assert error is not None
    assert "`edge.regex`" in str(error)
    assert "files" not in str(error)
    assert "Too many open files" in caplog.text
