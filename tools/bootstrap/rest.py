"""Wait until a daemon knows what its board draws at rest: an answer costs what comes on top."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

_PAUSE_S = 0.2


class _Connection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5.0)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def board(path: Path) -> dict[str, Any] | None:
    """What the daemon at the socket `path` feels of its board; None where it does not tell."""
    connection = _Connection(path)
    try:
        connection.request("GET", "/edge/v1/board")
        response = connection.getresponse()
        report: dict[str, Any] = json.loads(response.read())
        return report if response.status == 200 else None
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()


def wait_for_rest(
    look: Callable[[], dict[str, Any] | None],
    patience_s: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Look again and again until power at rest is known, or will not be; at most `patience_s`.

    A daemon that has just been started still loads its engine.
    """
    for _ in range(round(patience_s / _PAUSE_S)):
        report = look()
        if report is None or _knows(report):
            return
        sleep(_PAUSE_S)


def _knows(report: dict[str, Any]) -> bool:
    supply = report["supply"]
    if supply is None:  # either nothing tells power, or nothing was looked at yet
        return bool(report["channels"])
    return supply["idle_w"] is not None
