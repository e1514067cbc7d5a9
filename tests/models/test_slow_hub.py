"""A source that gives next to nothing is given up, and the bytes that came are kept."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_rt.core.errors import Unavailable
from edge_rt.models.catalogue import Catalogue, Hub, ModelFile
from edge_rt.models.fetch import fetch_hub
from edge_rt.models.http_get import FetchPatience, HubAccess
from edge_rt.models.hub import find_on_hub

CONTENT = bytes(range(256)) * 64
FILE = ModelFile(
    name="m.gguf", bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest(), sources=[]
)
SOURCE = Hub(repository="someone/tiny", file="m.gguf")
IMPATIENT = FetchPatience(head_s=0.3, window_s=0.2, least_bytes=1024)
BODY = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(CONTENT)
LOOP = b"HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n"

Play = Callable[[socket.socket, bytes], None]


class Server:
    """Plays each connection as `play` says, which is given the request; it ends with the test."""

    def __init__(self) -> None:
        self.play: Play = lambda connection, request: None
        self.requests: list[bytes] = []
        self.over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def drip(self, connection: socket.socket, endless: bytes) -> None:
        """Send a byte now and then until the client leaves."""
        while not self.over.wait(0.01):
            connection.sendall(endless)

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while request := connection.recv(65536):
                    self.requests.append(request)
                    self.play(connection, request)
            except OSError:
                pass  # the client has left


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def fetch(server: Server, work: Path, patience: FetchPatience = IMPATIENT) -> Path:
    return fetch_hub(SOURCE, FILE, work, HubAccess(server.endpoint, patience=patience))


def ask(server: Server, patience: FetchPatience = IMPATIENT) -> object:
    return find_on_hub("hf:a/b", Catalogue(), HubAccess(server.endpoint, patience=patience))


def test_a_body_of_a_byte_at_a_time_is_given_up(server: Server, tmp_path: Path) -> None:
    def play(connection: socket.socket, request: bytes) -> None:
        connection.sendall(BODY)
        server.drip(connection, b"x")

    server.play = play
    with pytest.raises(Unavailable, match=r"less than 1024 bytes came in 0\.2 s"):
        fetch(server, tmp_path)
    assert len(server.requests) == 3


def test_a_body_whose_pieces_never_end_is_given_up(server: Server, tmp_path: Path) -> None:
    def play(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;")
        server.drip(connection, b"x")  # the name of an extension

    server.play = play
    with pytest.raises(Unavailable, match=r"less than 1024 bytes came in 0\.2 s"):
        fetch(server, tmp_path)


def test_the_next_try_goes_on_where_a_slow_one_ended(server: Server, tmp_path: Path) -> None:
    def play(connection: socket.socket, request: bytes) -> None:
        if b"Range: bytes=" not in request:
            connection.sendall(BODY + CONTENT[:10_000])
            server.drip(connection, CONTENT[10_000:10_001])
            return
        have = int(request.partition(b"bytes=")[2].partition(b"-")[0])
        head = f"content-range: bytes {have}-{len(CONTENT) - 1}/{len(CONTENT)}\r\n"
        head += f"content-length: {len(CONTENT) - have}\r\n\r\n"
        connection.sendall(b"HTTP/1.1 206 Partial Content\r\n" + head.encode() + CONTENT[have:])

    server.play = play
    patience = FetchPatience(window_s=1.0, least_bytes=1024)
    assert fetch(server, tmp_path, patience).stat().st_size == len(CONTENT)
    assert len(server.requests) == 2
    assert b"Range: bytes=1" in server.requests[1]


@pytest.mark.parametrize("way", ["file", "metadata"])
@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nx-long: "])
def test_a_head_that_does_not_end_is_given_up(
    server: Server, tmp_path: Path, begin: bytes, way: str
) -> None:
    def play(connection: socket.socket, request: bytes) -> None:
        connection.sendall(begin)
        if begin:
            server.drip(connection, b"x")

    server.play = play
    with pytest.raises(Unavailable, match=r"no answer began within 0\.3 s"):
        fetch(server, tmp_path) if way == "file" else ask(server)


def test_metadata_of_a_byte_at_a_time_is_given_up(server: Server) -> None:
    def play(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        server.drip(connection, b" ")

    server.play = play
    with pytest.raises(Unavailable, match=r"less than 1024 bytes came in 0\.2 s"):
        ask(server)


@pytest.mark.parametrize("way", ["file", "metadata"])
def test_redirects_without_end_are_told(server: Server, tmp_path: Path, way: str) -> None:
    server.play = lambda connection, request: connection.sendall(LOOP)
    with pytest.raises(Unavailable, match="redirects"):
        fetch(server, tmp_path, FetchPatience()) if way == "file" else ask(server, FetchPatience())


def test_a_head_without_measure_is_told(server: Server) -> None:
    def play(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nx-long: " + bytes(1 << 20))

    server.play = play
    with pytest.raises(Unavailable, match=server.endpoint):
        ask(server, FetchPatience())


def test_what_is_slow_but_comes_is_waited_for(server: Server, tmp_path: Path) -> None:
    def play(connection: socket.socket, request: bytes) -> None:
        connection.sendall(BODY)
        for at in range(0, len(CONTENT), 512):  # about 60 times as much as is asked
            connection.sendall(CONTENT[at : at + 512])
            server.over.wait(0.08)

    server.play = play
    path = fetch(server, tmp_path, FetchPatience(window_s=2.0, least_bytes=200))
    assert path.read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_a_small_answer_of_the_hub_is_not_too_slow(server: Server) -> None:
    told = json.dumps({"sha": "1", "siblings": []}).encode()

    def play(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(told) + told)

    server.play = play
    with pytest.raises(LookupError, match="no GGUF file"):
        ask(server, FetchPatience())
