"""A scripted daemon on a Unix socket, and the command line in front of it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import socketserver
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_rt.cli.main import main

PATIENCE_S = 30  # only a failing test waits so long

USAGE = {"prompt_tokens": 9, "completion_tokens": 34, "total_tokens": 43}
EDGE = {
    "model": "smollm2-135m-instruct",
    "backend": "llama.cpp",
    "queue_s": 0.0,
    "prefill_s": 0.1,
    "decode_s": 0.5,
    "cached_tokens": 0,
    "tokens_per_s": 68.14,
}
COMMAND = [sys.executable, "-c", "from edge_rt.cli.entry import main; main()"]


@dataclass(frozen=True)
class Script:
    """One answer to a POST: the pieces that are said, and how it ends.

    end: "done", "hang" (wait until the client leaves), "die" (close without a word), "error"
    (an error event in the stream) or "refuse" (no answer but an HTTP error).
    """

    pieces: tuple[str, ...] = ("Hello", " world")
    end: str = "done"
    reason: str = "stop"
    edge: dict[str, Any] = field(default_factory=lambda: EDGE)
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Server(socketserver.ThreadingUnixStreamServer):
    """Serves one FakeDaemon."""

    daemon_threads = True
    daemon: FakeDaemon


class FakeDaemon:
    """Answers every POST by the next script and notes what was asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.scripts: list[Script] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.looks = 0  # GETs
        self.documents: dict[str, tuple[int, Any]] = {
            "/v1/models/default": (200, {"id": "smollm2-135m-instruct"}),
        }
        # Events by path, for POST; "hang" waits until the client leaves.
        self.streams: dict[str, list[Any]] = {}
        self.cancelled = threading.Event()

    def will(self, *pieces: str, **how: Any) -> None:
        """Say `pieces` in the next answer that has no script yet."""
        self.scripts.append(Script(pieces, **how))

    def will_refuse(self, status: int, error: object, **headers: str) -> None:
        """Answer with an HTTP error; `error` is OpenAI's object, or bytes of anything."""
        body = error if isinstance(error, bytes) else json.dumps({"error": error}).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.scripts.append(Script((), "refuse", status=status, body=body, headers=headers))

    def next(self) -> Script:
        return self.scripts.pop(0) if self.scripts else Script()


class Handler(BaseHTTPRequestHandler):
    """One connection; the answer ends where the connection does."""

    server: Server

    def address_string(self) -> str:
        return "client"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.daemon.looks += 1
        if self.path in self.server.daemon.streams:
            self._play(self.server.daemon.streams[self.path])
            return
        missing = {"error": {"message": f"no {self.path} here", "code": "model_not_found"}}
        status, document = self.server.daemon.documents.get(self.path, (404, missing))
        self._send(status, json.dumps(document).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        daemon = self.server.daemon
        daemon.asked.append((self.path, body))
        if self.path in daemon.streams:
            self._play(daemon.streams[self.path])
            return
        if self.path in daemon.documents:
            self.do_GET()
            return
        script = daemon.next()
        if script.end == "refuse":
            self._send(script.status, script.body, script.headers)
        elif body.get("stream"):
            self._stream(script)
        else:
            self._send(200, json.dumps(self._whole(script)).encode())

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.daemon.asked.append((self.path, body))
        self.do_GET()

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _whole(self, script: Script) -> dict[str, Any]:
        text = "".join(script.pieces)
        said = {"message": {"content": text}} if self._chat else {"text": text}
        choices = [said | {"finish_reason": script.reason}]
        return {"id": "chatcmpl-7", "choices": choices, "usage": USAGE, "edge": script.edge}

    @property
    def _chat(self) -> bool:
        return self.path == "/v1/chat/completions"

    def _play(self, events: list[Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for event in events:
            if event == "hang":
                assert self.connection.recv(1) == b""
                self.server.daemon.cancelled.set()
                return
            self._data(event)
        self.wfile.write(b"data: [DONE]\n\n")

    def _stream(self, script: Script) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        for name, value in script.headers.items():
            self.send_header(name, value)
        self.end_headers()
        for piece in script.pieces:
            self._event({"delta": {"content": piece}} if self._chat else {"text": piece})
        if script.end == "hang":
            assert self.connection.recv(1) == b""
            self.server.daemon.cancelled.set()
        elif script.end == "error":
            self._data({"error": {"message": "the engine failed", "code": "engine_error"}})
        elif script.end == "done":
            self._event({"delta": {}, "finish_reason": script.reason})
            self._data({"id": "chatcmpl-7", "choices": [], "usage": USAGE, "edge": script.edge})
            self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, choice: dict[str, Any]) -> None:
        self._data({"choices": [{"index": 0} | choice], "usage": None})

    def _data(self, document: dict[str, Any]) -> None:
        # As msgspec writes it: no ASCII escapes.
        text = json.dumps(document, ensure_ascii=False)
        self.wfile.write(f"data: {text}\n\n".encode())


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    daemon = FakeDaemon(tmp_path / "edge-rt.sock")
    with Server(str(daemon.path), Handler) as server:
        server.daemon = daemon
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield daemon
        server.shutdown()
        thread.join()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment in which no configuration of this machine counts."""
    (tmp_path / "etc").mkdir()
    return {
        "EDGE_RT_SOCKET": str(tmp_path / "edge-rt.sock"),
        "CONFIGURATION_DIRECTORY": str(tmp_path / "etc"),
        "RUNTIME_DIRECTORY": str(tmp_path / "run"),
    }


@pytest.fixture
def cli(environ: dict[str, str]) -> Callable[..., Result]:
    """Runs edge-rt with words in this process; fails on any exception that is no exit."""

    def call(*words: str, input: str | bytes | None = None) -> Result:
        result = CliRunner(env=environ).invoke(main, words, input=input)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def spawn(environ: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts edge-rt with words as a process of its own, with pipes."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str, **options: Any) -> subprocess.Popen[bytes]:
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(
            [*COMMAND, *words], env=os.environ | environ, **(pipes | options)
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


class Terminal:
    """A process whose terminal this is."""

    def __init__(self, words: tuple[str, ...], environ: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, *words],
            env=os.environ | {"TERM": "dumb", "INPUTRC": "/dev/null"} | environ,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.shown = b""

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def read_until(self, text: str) -> str:
        """Return what is shown from the last call on, up to and with `text`."""
        wanted, end_s = text.encode(), time.monotonic() + PATIENCE_S
        while wanted not in self.shown:
            assert time.monotonic() < end_s, f"{text!r} is not in {self.shown[-4096:]!r}"
            self.shown = (self.shown + self._read()).replace(b"\r\n", b"\n")
        seen, _, self.shown = self.shown.partition(wanted)
        return (seen + wanted).decode()

    def interrupt_until(self, text: str) -> None:
        """Type Ctrl-C until `text` is shown.

        Once is not always enough at a prompt: the interpreter misses one that comes after the
        prompt is shown and before it waits for a key.
        """
        for _ in range(PATIENCE_S):
            self.type("\x03")
            while text.encode() not in self.shown and select.select([self._ours], [], [], 1)[0]:
                self.shown += self._read()
            if text.encode() in self.shown:
                break
        self.read_until(text)

    def _read(self) -> bytes:
        ready, _, _ = select.select([self._ours], [], [], PATIENCE_S)
        assert ready, f"nothing more than {self.shown!r} was shown"
        return os.read(self._ours, 4096)

    def rest(self) -> str:
        """Return all that is still shown until the process ends."""
        try:
            while True:
                self.shown += self._read()
        except OSError:  # how a terminal says that the other side is gone
            return self.shown.decode().replace("\r\n", "\n")

    def close(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(environ: dict[str, str]) -> Iterator[Callable[..., Terminal]]:
    """Starts edge-rt with words on a terminal."""
    started: list[Terminal] = []

    def start(*words: str) -> Terminal:
        started.append(Terminal(words, environ))
        return started[-1]

    yield start
    for one in started:
        one.close()
