"""Layers on another board: who may be a peer, and what is said of one that cannot."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from edge_rt.backends.llama import rpc
from edge_rt.backends.llama.rpc import PROTOCOL, Peers, fault

Answer = Callable[[socket.socket], None]


@pytest.fixture
def peer() -> Iterator[Callable[[Answer], str]]:
    """Makes peers that answer as they are told; the address of one."""
    threads: list[threading.Thread] = []
    listeners: list[socket.socket] = []

    def make(answer: Answer) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            with listener.accept()[0] as client:
                client.recv(33, socket.MSG_WAITALL)
                answer(client)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return "127.0.0.1:{1}".format(*listener.getsockname())

    yield make
    for thread in threads:
        thread.join()
    for listener in listeners:
        listener.close()


def hello(version: int) -> Answer:
    """Answer in two pieces, as llama.cpp does."""

    def answer(client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(struct.pack("<Q", 28))
        time.sleep(0.05)
        client.sendall(struct.pack("<4B24s", version, 0, 0, 0, bytes(24)))

    return answer


def test_a_peer_of_this_protocol_is_used(peer: Callable[[Answer], str]) -> None:
    assert fault(peer(hello(PROTOCOL))) is None


def test_a_peer_of_another_protocol_is_named(peer: Callable[[Answer], str]) -> None:
    assert fault(peer(hello(3))) == f"it speaks RPC 3, and this board {PROTOCOL}"


def test_something_else_at_the_port_is_named(peer: Callable[[Answer], str]) -> None:
    assert fault(peer(lambda client: None)) == "it does not speak llama.cpp's RPC"


def test_a_peer_that_serves_another_client_is_not_waited_for() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        address = "127.0.0.1:{1}".format(*listener.getsockname())
        assert fault(address, 0.1) == "it does not answer, or serves another client"


def test_a_peer_that_drips_is_not_waited_for(peer: Callable[[Answer], str]) -> None:
    def drip(client: socket.socket) -> None:
        content = struct.pack("<Q4B24s", 28, PROTOCOL, 0, 0, 0, bytes(24))
        with suppress(OSError):  # the other end is closed before all is sent
            for byte in content:
                client.sendall(bytes([byte]))
                time.sleep(0.02)

    assert fault(peer(drip), 0.2) == "it does not answer, or serves another client"


def test_all_peers_are_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3, timeout=5.0)
    monkeypatch.setattr(rpc, "fault", lambda one: f"{together.wait() < 3} {one}")
    reasons = Peers(["a:1", "b:2", "c:3"], lambda one: None).join()
    assert list(reasons) == [
        f"the peer {one} is not used: True {one}" for one in ("a:1", "b:2", "c:3")
    ]


def test_a_peer_that_was_away_joins_later(monkeypatch: pytest.MonkeyPatch) -> None:
    away, added = {"a:1"}, list[str]()
    monkeypatch.setattr(rpc, "fault", lambda one: "it is away" if one in away else None)
    peers = Peers(["a:1", "b:2"], added.append)
    assert list(peers.join()) == ["the peer a:1 is not used: it is away"]
    away.clear()
    assert list(peers.join()) == []
    assert list(peers.join()) == []
    assert added == ["b:2", "a:1"], "each once"


def test_llama_cpp_speaks_this_protocol_and_keeps_to_its_memory(tmp_path: Path) -> None:
    """What is tested is the real server: where llama.cpp's protocol changes, this fails."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        address = "127.0.0.1:{1}".format(*free.getsockname())
    ours, link = socket.socketpair()
    words = [sys.executable, "-m", rpc.__name__, address, "1", str(64 << 20), str(link.fileno())]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(words, pass_fds=[link.fileno()], stdout=log, stderr=log)
    try:
        reason: str | None = None
        for _ in range(600):
            if (reason := fault(address)) is None or server.poll() is not None:
                break
            threading.Event().wait(0.1)
        assert reason is None, (tmp_path / "log").read_text()
        assert _allocates(address, 16 << 20)
        assert not _allocates(address, 1 << 30)
    finally:
        server.kill()
        server.wait()
        ours.close()
        link.close()


def _allocates(address: str, size: int) -> bool:
    """Return whether the server gives so many bytes, by its command 0."""
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), 60) as client:
        client.sendall(struct.pack("<BQ", 14, 24) + bytes(24))
        answers = client.makefile("rb")
        answers.read(36)
        client.sendall(struct.pack("<BQIQ", 0, 12, 0, size))  # struct rpc_msg_alloc_buffer_req
        _, pointer, _ = struct.unpack("<QQQ", answers.read(24))
        return bool(pointer)
