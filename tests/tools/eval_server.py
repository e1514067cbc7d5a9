"""A server that answers chat requests as it is told."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

Body = dict[str, Any]
Speak = Callable[[Body], str | Body | tuple[int, str]]


class Server(socketserver.ThreadingUnixStreamServer):
    """`speak` gives the text of an answer, all of a document, or a status and what is wrong."""

    daemon_threads = True
    request_queue_size = 128  # that may come at once
    speak: Speak
    asked: list[Body]
    edge: Callable[[Body], Body]

    @property
    def questions(self) -> list[Body]:
        """What was asked, but for greetings in between."""
        return [body for body in self.asked if body.get("max_tokens", 0) > 1]


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def address_string(self) -> str:
        return "client"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        said = self.server.speak(body)
        if isinstance(said, str):
            self._send(200, completion(said, body.get("model", ""), self.server.edge(body)))
        elif isinstance(said, dict):
            self._send(200, said)
        else:
            self._send(said[0], {"error": {"message": said[1]}})

    def _send(self, status: int, document: Body) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def completion(text: str, model: str, edge: Body) -> Body:
    """A whole chat completion."""
    return {
        "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": len(text.split()),
            "prompt_tokens_details": {"cached_tokens": 2},
        },
        "system_fingerprint": f"fp_{model}",
        "edge": edge,
    }


@contextmanager
def serving(
    path: Path, speak: Speak, edge: Callable[[Body], Body] = lambda _: {}
) -> Iterator[Server]:
    """The server at a socket, for as long as the block runs; `edge` is our part of an answer."""
    with Server(str(path), _Handler) as server:
        server.speak, server.asked, server.edge = speak, [], edge
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
