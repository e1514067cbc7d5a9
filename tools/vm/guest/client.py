"""A client of the daemon with nothing but Python."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

SOCKET = "/run/edge-rt/edge-rt.sock"
MODEL = "smollm2-135m-instruct"
PATIENCE_S = 600.0  # an emulated processor is slow


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(SOCKET)


@contextmanager
def asked(
    method: str, path: str, body: dict[str, Any] | None = None
) -> Generator[http.client.HTTPResponse]:
    """The daemon's answer, whatever it is, to be read while the block runs."""
    connection = _Connection("localhost")
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        yield connection.getresponse()
    finally:
        connection.close()


def ask(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what the daemon answers; raise OSError where it answers with anything but 200."""
    with asked(method, path, body) as answer:
        said = answer.read()
    if answer.status != 200:
        raise OSError(f"{path}: {answer.status} {said[:500]!r}")
    return json.loads(said)


def complete(prompt: str, tokens: int = 4) -> dict[str, Any]:
    """The greedy continuation of `prompt`, with all that is said of it."""
    return ask("POST", "/v1/completions", greedy(prompt, tokens))


def greedy(prompt: str, tokens: int) -> dict[str, Any]:
    """Return what asks for so many tokens."""
    return {"model": MODEL, "prompt": prompt, "temperature": 0, "max_tokens": tokens}
