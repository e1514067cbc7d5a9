"""Programs of another user that do nothing but connect, and a polite client beside them."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

NOBODY = 65_534
THREADS = 16
_PROCESSES = 4  # among which Python's threads are shared out
_REST_S = 0.05  # between two polite requests
_PATIENCE_S = 10.0
_ASKED = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_CODE = f"""
import os, socket, sys, threading
if os.geteuid() == 0:
    os.setgroups([]), os.setgid({NOBODY}), os.setuid({NOBODY})
def connect():
    while True:
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            client.connect_ex(sys.argv[1])
for _ in range({THREADS // _PROCESSES}):
    threading.Thread(target=connect).start()
sys.stdin.read()  # until who started this has ended, however that was
os._exit(0)
"""


@contextmanager
def flooding(path: str) -> Generator[None]:
    """THREADS threads that connect to a socket and close while this lasts, as NOBODY if root."""
    argv = [sys.executable, "-c", _CODE, path]
    programs = [
        subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)
        for _ in range(_PROCESSES)
    ]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.communicate()


def waits(
    path: str, seconds: float, clock: Callable[[], float] = time.monotonic
) -> list[float | None]:
    """Ask again and again, as curl does; the seconds until each answer, None where none came."""
    found: list[float | None] = []
    end_s = clock() + seconds
    while clock() < end_s:
        begin_s = clock()
        found.append(clock() - begin_s if _answered(path) else None)
        time.sleep(_REST_S)
    return found


def p95(waited: list[float | None]) -> float | None:
    """Return the 95th percentile, for which those without an answer waited longest; None: without
    end.
    """
    ranked = sorted(waited, key=lambda one: float("inf") if one is None else one)
    return ranked[int(0.95 * (len(ranked) - 1))] if ranked else None


def _answered(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        try:
            client.connect(path)  # which a full backlog refuses at once
            client.settimeout(_PATIENCE_S)
            client.sendall(_ASKED)
            return client.recv(1 << 12).startswith(b"HTTP/1.1 200 ")
        except OSError:
            return False
