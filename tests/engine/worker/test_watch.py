"""A pass is stopped from outside once it is for nobody, or takes too long."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from dataclasses import dataclass, field

import pytest

from edge_rt.core.errors import EngineError, RequestError
from edge_rt.engine.channel import encode
from edge_rt.engine.protocol import (
    Cancel,
    Ping,
    RunTensors,
    SetLimits,
    Shutdown,
    ToEngine,
    UnloadModel,
)
from edge_rt.engine.worker.port import Port, Watch

LONG_S = 60.0  # for another thread to do its part
OURS = RunTensors(1, "ours", {})
OTHERS: list[ToEngine] = [Ping(1), Cancel(2), UnloadModel("other"), SetLimits(1)]


@dataclass
class Stand:
    """An engine's port, the front's end of it, and a pass that ends only when it is stopped."""

    port: Port
    front: socket.socket
    stopped: threading.Event = field(default_factory=threading.Event)

    def say(self, *messages: ToEngine) -> None:
        if messages:
            self.front.sendall(b"".join(map(encode, messages)))

    def endless(self, *messages: ToEngine) -> None:
        self.say(*messages)
        assert self.stopped.wait(LONG_S)
        raise OSError("terminated")


@pytest.fixture
def stand() -> Generator[Stand]:
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield Stand(Port(theirs), ours)


@pytest.mark.parametrize("end", [Cancel(1), UnloadModel("ours"), Shutdown()])
def test_it_is_stopped_when_nobody_waits_any_more(stand: Stand, end: ToEngine) -> None:
    with pytest.raises(EngineError), Watch(stand.port).over(OURS, stand.stopped.set):
        stand.endless(*OTHERS, end)
    assert list(stand.port.received()) == [*OTHERS, end]


def test_it_is_stopped_when_the_front_is_gone(stand: Stand) -> None:
    stand.say(Ping(1))
    stand.front.close()
    with pytest.raises(EngineError), Watch(stand.port).over(OURS, stand.stopped.set):
        stand.endless()
    assert not stand.port.open


def test_what_was_heard_in_another_pass_counts_too(stand: Stand) -> None:
    watch = Watch(stand.port)
    with pytest.raises(EngineError), watch.over(RunTensors(2, "other", {}), stand.stopped.set):
        stand.endless(Cancel(1), Cancel(2))
    stand.stopped.clear()
    with pytest.raises(EngineError), watch.over(OURS, stand.stopped.set):
        stand.endless()
    assert list(stand.port.received()) == [Cancel(1), Cancel(2)]


def test_what_is_not_about_it_lets_it_run(stand: Stand) -> None:
    watch = Watch(stand.port)
    for _ in range(3):
        with watch.over(OURS, stand.stopped.set):
            stand.say(*OTHERS)
        assert list(stand.port.received()) == OTHERS
    assert not stand.stopped.is_set()


def test_a_message_in_pieces_is_whole_afterwards(stand: Stand) -> None:
    data = encode(Cancel(1))
    with Watch(stand.port).over(OURS, stand.stopped.set):
        stand.front.sendall(data[:5])
    stand.front.sendall(data[5:])
    assert list(stand.port.received()) == [Cancel(1)]


def test_its_own_failure_stays_its_own(stand: Stand) -> None:
    with pytest.raises(OSError, match="broken"), Watch(stand.port).over(OURS, stand.stopped.set):
        raise OSError("broken")


class Waits:
    """A poll in which nothing happens but that time passes."""

    def __init__(self) -> None:
        self.now = 0.0

    def register(self, fd: int, eventmask: int, /) -> None:
        pass

    def poll(self, timeout: float | None, /) -> list[tuple[int, int]]:
        assert timeout is not None
        self.now += max(timeout / 2000, 0.1)  # it may come back early
        return []


def test_it_is_stopped_after_its_time_and_the_error_says_what_to_do(stand: Stand) -> None:
    waits = Waits()
    over = Watch(stand.port, lambda: waits.now, lambda: waits).over
    request = RunTensors(1, "ours", {}, limit_s=20.0)
    with pytest.raises(RequestError, match="ours was") as caught, over(request, stand.stopped.set):
        stand.endless()
    assert caught.value.code == "pass_too_long"
    assert "20 s" in str(caught.value)
    assert "requests.infer_s" in str(caught.value)
    assert waits.now >= 20.0
