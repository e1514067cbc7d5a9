"""The engine's socket: in pieces, in bursts, and gone."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Generator

import pytest

from edge_rt.engine.channel import encode, front_decoder
from edge_rt.engine.protocol import Cancel, Ping, Unloaded
from edge_rt.engine.worker.port import Port

Ends = tuple[Port, socket.socket]


@pytest.fixture
def ends() -> Generator[Ends]:
    """A port and the front's end of it."""
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield Port(theirs), ours


def test_nothing_there_is_nothing_received(ends: Ends) -> None:
    port, _ = ends
    assert not port.wait(0.0)
    assert list(port.received()) == []
    assert port.open


def test_messages_come_out_as_they_went_in_however_they_were_cut(ends: Ends) -> None:
    port, front = ends
    data = encode(Ping(1)) + encode(Cancel(2))
    front.sendall(data[:7])
    assert port.wait(math.inf)
    assert list(port.received()) == []
    front.sendall(data[7:])
    assert list(port.received()) == [Ping(1), Cancel(2)]
    assert not port.wait(0.0)


def test_what_is_said_is_heard(ends: Ends) -> None:
    port, front = ends
    port.send(Unloaded("m"))
    assert front_decoder().decode(front.recv(1 << 10)[4:]) == Unloaded("m")


def test_other_descriptors_end_a_wait_and_bring_no_message(ends: Ends) -> None:
    port, _ = ends
    wake, waker = os.pipe()
    port.wake_on(wake)
    assert not port.wait(0.0)
    os.write(waker, b".")
    assert port.wait(math.inf)
    assert list(port.received()) == []
    assert port.open
    os.close(wake)
    os.close(waker)


def test_a_front_that_hung_up_is_noticed_once_all_it_said_was_heard(ends: Ends) -> None:
    port, front = ends
    front.sendall(encode(Ping(1)))
    front.close()
    assert list(port.received()) == [Ping(1)]
    assert port.wait(math.inf)
    assert list(port.received()) == []
    assert not port.open


def test_speaking_to_nobody_closes_the_port(ends: Ends) -> None:
    port, front = ends
    front.close()
    port.send(Unloaded("m"))
    assert not port.open
    port.send(Unloaded("m"))
