"""The cache's benchmark, against a server that answers as the daemon does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from benchlib import BenchError, bare, hits
from benchlib.daemon import Ours
from benchlib.server import Settings
from benchmarks.cache import Bench, questions
from starlette.testclient import TestClient

PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
REQUESTS = [
    hits.request(body | more) for body in questions()[:2] for more in ({}, {"stream": True})
]


class Server:
    """Answers from a cache, whole or in chunks; `hit` and `status` say with what."""

    def __init__(self, path: Path) -> None:
        self.hit, self.status = True, 200
        self.path = str(path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        try:
            while True:
                peer, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()
        except OSError:
            return

    def _serve(self, peer: socket.socket) -> None:
        with suppress(OSError), peer, peer.makefile("rb") as lines:
            while head := lines.readline():
                length = 0
                while (line := lines.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line[15:])
                body = json.loads(lines.read(length))
                assert head.startswith(b"POST /v1/chat/completions ")
                peer.sendall(self._answer(stream=body.get("stream", False)))

    def _answer(self, *, stream: bool) -> bytes:
        edge = {"cache": "exact"} if self.hit else {}
        content = json.dumps({"choices": [{"index": 0}], "edge": edge}).encode()
        head = f"HTTP/1.1 {self.status} OK\r\n".encode()
        if not stream:
            return head + f"Content-Length: {len(content)}\r\n\r\n".encode() + content
        size = f"{len(content):x}".encode()
        chunk = size + b"\r\n" + content + b"\r\n0\r\n\r\n"
        return head + b"transfer-encoding: chunked\r\n\r\n" + chunk


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "s")
    yield made
    made.close()


def test_questions_have_one_answer_each() -> None:
    asked = questions()
    assert all(body["temperature"] == 0 for body in asked)
    assert len({body["messages"][0]["content"] for body in asked}) == len(asked)


def test_a_response_is_complete_at_its_last_byte() -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd"
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    for response in (whole, chunked):
        assert [hits.complete(response[:n]) for n in range(len(response) + 1)].index(True) == len(
            response
        )


def test_only_hits_fill_the_cache(server: Server) -> None:
    hits.filled(server.path, questions()[:2])
    server.hit = False
    with pytest.raises(BenchError, match="no hit"):
        hits.filled(server.path, questions()[:2])


def test_each_answer_has_its_time(server: Server) -> None:
    ticks = count(0.0, 0.5)
    found = hits.latencies_ms(server.path, REQUESTS, 5, clock=lambda: next(ticks))
    assert found == [500.0] * 5


def test_an_error_is_no_answer(server: Server) -> None:
    server.status = 500
    with pytest.raises(BenchError, match="500"):
        hits.latencies_ms(server.path, REQUESTS, 1)


def test_two_servers_are_asked_by_turns(server: Server) -> None:
    asked: list[str] = []

    def latencies(path: str, requests: object, count: int) -> list[float]:
        asked.append(path)
        return [3.0, 6.0, 9.0] if path == "ours" else [1.0, 2.0, 30.0]

    assert hits.times_as_long("ours", "bare", REQUESTS, latencies) == 3.0
    assert asked[:4] == ["ours", "bare"] * 2
    assert hits.times_as_long(server.path, server.path, REQUESTS) > 0.0


def test_a_bare_starlette_answers_with_the_document() -> None:
    with TestClient(bare.app({"id": "chatcmpl-1"})) as client:
        assert client.post(hits.CHAT, json=questions()[0]).json() == {"id": "chatcmpl-1"}


def test_the_server_has_a_core_for_itself() -> None:
    code = "import threading; threading.Thread(target=input).start(); print(flush=True); input()"
    cores = os.sched_getaffinity(0)
    with subprocess.Popen([sys.executable, "-c", code], **PIPES) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with hits.apart(child.pid):
            tasks = [int(task.name) for task in Path(f"/proc/{child.pid}/task").iterdir()]
            assert [os.sched_getaffinity(task) for task in tasks] == [{min(cores)}] * 2
            assert os.sched_getaffinity(0) == (cores - {min(cores)} or cores)
        child.kill()
    assert os.sched_getaffinity(0) == cores


def test_the_report_tells_medians() -> None:
    settings = Settings(Path("x.gguf"), "model", 512, 1, 1)
    side = Ours(Path("python"), Path("store"), Path("dir"))
    bench = Bench(side, settings, questions())
    bench.found = {"hit_p50_ms": [0.5, 0.7, 0.6], "hit_p99_ms": [2.0]}
    assert bench.report().values == {"hit_p50_ms": 0.6, "hit_p99_ms": 2.0}
    bench.found["hit_vs_bare"] = [1.5, 1.7, 1.4]
    assert bench.report().ratios == {"hit_vs_bare": 1.5}
