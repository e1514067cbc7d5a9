"""What a polite client waits for, and what counts as no answer."""

from __future__ import annotations

import socket
import threading
from itertools import count
from pathlib import Path

import psutil
from benchlib import flood


def test_who_gets_no_answer_waited_longest() -> None:
    assert flood.p95([]) is None
    assert flood.p95([0.1] * 95 + [None] * 5) == 0.1
    assert flood.p95([0.1] * 94 + [None] * 6) is None


def test_only_answers_count(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    ticks = count(0.0, 1.0)
    assert flood.waits(path, 4.0, lambda: next(ticks)) == [None, None]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def answer() -> None:
            for status in (b"200 OK", b"429 Too Many Requests"):
                connection, _ = server.accept()
                with connection:
                    connection.recv(1 << 12)
                    connection.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        ticks = count(0.0, 1.0)
        assert flood.waits(path, 5.0, lambda: next(ticks)) == [1.0, None]
        thread.join()


def test_a_flood_ends_with_its_block(tmp_path: Path) -> None:
    before = psutil.Process().children()
    with flood.flooding(str(tmp_path / "s")):
        assert len(psutil.Process().children()) > len(before)
    assert psutil.Process().children() == before
