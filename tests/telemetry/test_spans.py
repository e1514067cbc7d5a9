"""Spans on their way to a real collector, and one that is slow, gone or refuses."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import psutil
import pytest
from collector import PATIENCE_S, Collector

from edge_rt.telemetry import Phase, RequestSpan, SpanLink

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
S = 1_000_000_000


def span(name: str = "chat smol", *, parent: str | None = None, failed: bool = False):
    told = {"gen_ai.usage.input_tokens": 12, "edge.energy_j": 0.5, "edge.why": "hot", "a": ["b"]}
    phases = [Phase("prefill", 10 * S, 11 * S), Phase("decode", 11 * S, 13 * S)]
    came = {} if parent is None else {"traceparent": parent}
    return RequestSpan(name, 9 * S, 14 * S, told, phases, came, failed)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


@pytest.fixture
def link(collector: Collector) -> Iterator[SpanLink]:
    with closing(SpanLink(collector.url)) as made:
        yield made


def test_a_span_arrives_with_its_parts(link, collector):
    assert link.send(span())
    came = collector.wait("chat smol")
    assert (came.start_ns, came.end_ns) == (9 * S, 14 * S)
    assert (came.parent_id, came.failed, came.kind) == ("", False, 2), "of a server, and a root"
    assert came.attributes == {
        "gen_ai.usage.input_tokens": 12,
        "edge.energy_j": 0.5,
        "edge.why": "hot",
        "a": ["b"],
    }
    assert came.resource["service.name"] == "edge_rt"
    assert came.resource["host.name"] == socket.gethostname()
    parts = collector.below(came)
    assert {name: (part.start_ns, part.end_ns) for name, part in parts.items()} == {
        "prefill": (10 * S, 11 * S),
        "decode": (11 * S, 13 * S),
    }
    assert {part.trace_id for part in parts.values()} == {came.trace_id}
    assert collector.paths == {"/v1/traces"}


def test_the_parent_of_the_client_is_the_parent(link, collector):
    link.send(span("sampled", parent=f"00-{TRACE}-{PARENT}-01"))
    link.send(span("not sampled", parent=f"00-{TRACE}-{PARENT}-00"))
    link.send(span("nonsense", parent="00-nonsense"))
    link.send(span("last", failed=True))
    came = collector.wait("sampled")
    assert (came.trace_id, came.parent_id) == (TRACE, PARENT)
    assert collector.wait("nonsense").parent_id == "", "as if there were none"
    assert collector.wait("last").failed
    assert all(each.name != "not sampled" for each in collector.spans)


def test_what_waits_is_sent_at_the_end(collector):
    with closing(SpanLink(collector.url, last_s=PATIENCE_S)) as link:
        link.send(span("at the end"))
    assert collector.wait("at the end")


def test_a_collector_that_says_nothing_costs_no_memory(link, collector):
    collector.go.clear()
    link.send(span())
    assert collector.asked.wait(PATIENCE_S)
    process = psutil.Process(link.pid)

    def after(count: int) -> int:
        """The memory once so many more were sent, as fast as they are taken."""
        for _ in range(count):
            while not link.send(span()):
                time.sleep(0.01)
        return process.memory_info().rss

    full = after(500)
    assert after(1000) - full < 2_500_000, "what waits is limited; without, it is 5 MB"


def test_a_collector_that_returns_gets_what_comes_then(link, collector):
    collector.status = 503
    link.send(span("lost"))
    assert collector.asked.wait(PATIENCE_S)
    collector.status = 200
    link.send(span("found"))
    assert collector.wait("found")


def test_nobody_listens(capfd):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with closing(SpanLink(url, last_s=PATIENCE_S)) as link:
        assert link.send(span())
    log = capfd.readouterr().err
    assert log.count(f"traces are lost, as {url}/v1/traces does not take them") == 1
    assert log.count("\n") == 1, "nothing else is told"


def test_a_process_that_stands_still_delays_nobody(link):
    process = psutil.Process(link.pid)
    process.suspend()
    taken = [link.send(span()) for _ in range(5000)]  # returns
    assert not taken[-1], "dropped once the kernel's buffer is full"
    process.resume()


def test_a_process_that_is_gone_is_told_once(link, caplog):
    os.kill(link.pid, signal.SIGKILL)
    psutil.Process(link.pid).wait(PATIENCE_S) if psutil.pid_exists(link.pid) else None
    assert [link.send(span()), link.send(span())] == [False, False]
    assert caplog.text.count("no more traces are sent until a restart") == 1
