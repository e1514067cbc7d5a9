"""A collector of OpenTelemetry's traces on loopback, which reads what comes as protobuf."""

from __future__ import annotations

import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PATIENCE_S = 60.0


def plain(value: Any) -> Any:
    """An attribute's value as Python has it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(each) for each in value.array_value.values]
    return getattr(value, kind)


class Received:
    """One span, with the attributes of the process that it came from."""

    def __init__(self, span: Any, resource: Any) -> None:
        self.name: str = span.name
        self.kind: int = span.kind
        self.trace_id, self.span_id = span.trace_id.hex(), span.span_id.hex()
        self.parent_id = span.parent_span_id.hex()
        self.start_ns, self.end_ns = span.start_time_unix_nano, span.end_time_unix_nano
        self.failed = span.status.code == 2
        self.attributes = {each.key: plain(each.value) for each in span.attributes}
        self.resource = {each.key: plain(each.value) for each in resource.attributes}


class Collector:
    """A server that answers `status` once `go` is set, and keeps what came."""

    def __init__(self, port: int = 0) -> None:
        self.spans: list[Received] = []
        self.bodies = b""
        self.paths: set[str] = set()
        self.status, self.go = 200, threading.Event()
        self.asked = threading.Event()  # somebody has sent something
        self.go.set()
        self._came: queue.Queue[Received] = queue.Queue()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.asked.set()
                collector.go.wait()
                if collector.status == 200:
                    collector.take(self.path, body)
                self.send_response(collector.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def take(self, path: str, body: bytes) -> None:
        self.paths.add(path)
        self.bodies += body
        for of_process in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in of_process.scope_spans:
                for span in scope.spans:
                    self._came.put(Received(span, of_process.resource))

    def wait(self, name: str) -> Received:
        """The first span of that name; the children of a span come before it."""
        while True:
            for span in self.spans:
                if span.name == name:
                    return span
            self.spans.append(self._came.get(timeout=PATIENCE_S))

    def below(self, span: Received) -> dict[str, Received]:
        """The parts of a span that has come, by name."""
        return {each.name: each for each in self.spans if each.parent_id == span.span_id}

    def __enter__(self) -> Collector:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()
