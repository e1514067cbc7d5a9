"""Answers from the cache as clients see them: how soon one comes."""

from __future__ import annotations

import json
import os
import socket
import statistics
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchlib import BenchError

CHAT = "/v1/chat/completions"
_TURNS, _TURN = 10, 200  # and questions of a turn


class Asker:
    """A client with one connection to a Unix socket, which it keeps open as SDKs do."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, request: bytes) -> bytes:
        """Return the whole answer with its head; raises BenchError where it is none."""
        self.socket.sendall(request)
        got = bytearray()
        while not complete(got):
            piece = self.socket.recv(1 << 18)
            if not piece:
                raise BenchError("the daemon closed the connection")
            got += piece
        if not got.startswith(b"HTTP/1.1 200 "):
            raise BenchError(f"the daemon answered {bytes(got[:300])!r}")
        return bytes(got)


def complete(got: bytes | bytearray) -> bool:
    """Return whether all of a response is there."""
    head, end, body = bytes(got).partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line[15:])
    return got.endswith(b"0\r\n\r\n")  # in chunks, of which the last is empty


def request(body: dict[str, Any]) -> bytes:
    """A chat request."""
    content = json.dumps(body).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def filled(path: str, bodies: Sequence[dict[str, Any]]) -> None:
    """Have every question answered once, and see that each comes from the cache then.

    Raises BenchError where one does not, or with other words.
    """
    with Asker(path) as asker:
        for body in bodies:
            first, again = (_document(asker.ask(request(body))) for _ in range(2))
            if again["edge"].get("cache") != "exact" or again["choices"] != first["choices"]:
                raise BenchError(f"no hit: {again['edge']}")


def latencies_ms(
    path: str,
    requests: Sequence[bytes],
    count: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Ask `count` questions in turn; return the milliseconds until each answer was complete."""
    found: list[float] = []
    with Asker(path) as asker:
        for one in islice(cycle(requests), count):
            begin_s = clock()
            asker.ask(one)
            found.append(1000 * (clock() - begin_s))
    return found


def document(path: str, body: dict[str, Any]) -> bytes:
    """Return the document that answers a question."""
    with Asker(path) as asker:
        return asker.ask(request(body)).partition(b"\r\n\r\n")[2]


def times_as_long(
    path: str,
    other: str,
    requests: Sequence[bytes],
    ask: Callable[[str, Sequence[bytes], int], list[float]] = latencies_ms,
) -> float:
    """Return how many times as long answers take at `path` as at `other`, asked by turns."""
    turns = [
        [statistics.median(ask(one, requests, _TURN)) for one in (path, other)]
        for _ in range(_TURNS)
    ]
    return statistics.median(mine / its for mine, its in turns)


@contextmanager
def apart(*pids: int, proc: Path = Path("/proc")) -> Generator[None]:
    """Every thread of the processes on one core, and this thread on the others, meanwhile."""
    cores = os.sched_getaffinity(0)
    first, *others = sorted(cores)
    for task in (task for pid in pids for task in (proc / str(pid) / "task").iterdir()):
        with suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(int(task.name), {first})
    os.sched_setaffinity(0, others or cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _document(answer: bytes) -> Any:
    return json.loads(answer.partition(b"\r\n\r\n")[2])
