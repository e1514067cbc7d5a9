"""The process that sends spans to a collector: `python -m edge_rt.telemetry.exporter COLLECTOR`.

It reads spans from its standard input, a socket, until that ends. It alone imports OpenTelemetry,
and where the daemon is offline it alone may connect to something. What the collector does not take
is dropped; the first such loss is told on standard error.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence

import msgspec
import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from typing_extensions import override

from edge_rt import __version__
from edge_rt.core.logs import Trouble, log_to_stderr
from edge_rt.core.system.process import end_with_parent
from edge_rt.telemetry import RequestSpan

PATH = "/v1/traces"
BATCH_MS, WAITING = 1000.0, 1024  # between two batches; most spans that wait for one
TAKEN_S = 5.0  # for the collector to take a batch, after which that is lost
_LARGEST = 1 << 18  # bytes of a span; the kernel's buffer holds less
_DECODER = msgspec.json.Decoder(RequestSpan)
_log = logging.getLogger("edge_rt.telemetry")


class _Telling(SpanExporter):
    """Sends spans, and tells once that they are not taken."""

    def __init__(self, collector: str) -> None:
        session = requests.Session()
        session.trust_env = False  # straight to the collector: no proxy, no .netrc
        session.max_redirects = 0  # and to no other host that it names
        url = collector.rstrip("/") + PATH
        self._sender = OTLPSpanExporter(endpoint=url, timeout=TAKEN_S, session=session)
        self._trouble = Trouble(_log, f"traces are lost, as {url} does not take them")

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._sender.export(spans)
        except OSError:  # of requests, which not every version of the library catches
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self._trouble.over()
        else:
            self._trouble.met("they will be sent again once it does; see telemetry.otlp")
        return result

    @override
    def shutdown(self) -> None:
        self._sender.shutdown()


class Exporter:
    """Makes spans of OpenTelemetry and sends them in batches, from a thread."""

    def __init__(self, collector: str) -> None:
        """`collector` is its address, without the path."""
        of = {"service.name": "edge_rt", "service.version": __version__}
        resource = Resource.create({**of, "host.name": socket.gethostname()})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        batches = BatchSpanProcessor(
            _Telling(collector), max_queue_size=WAITING, schedule_delay_millis=BATCH_MS
        )
        provider.add_span_processor(batches)
        self._tracer = provider.get_tracer("edge_rt", __version__)
        self._batches, self._parents = batches, TraceContextTextMapPropagator()

    def take(self, told: RequestSpan) -> None:
        """Have one request sent with the next batch."""
        span = self._tracer.start_span(
            told.name,
            self._parents.extract(told.parent),
            SpanKind.SERVER,
            told.attributes,
            start_time=told.start_ns,
        )
        within = set_span_in_context(span)
        for phase in told.phases:
            part = self._tracer.start_span(phase.name, within, start_time=phase.start_ns)
            part.end(phase.end_ns)
        if told.failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(told.end_ns)

    def close(self) -> None:
        """Send what waits."""
        self._batches.shutdown()


def main(collector: str) -> None:
    """Send all spans that come, and end when no more can come."""
    end_with_parent(sys.stdin.fileno())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which ends this
    log_to_stderr("info")
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # one line each second else
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    exporter = Exporter(collector)
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as link:
        while content := link.recv(_LARGEST):
            exporter.take(_DECODER.decode(content))
    exporter.close()


if __name__ == "__main__":
    main(sys.argv[1])
