"""Traces of a daemon that is offline, by a collector on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from collector import PATIENCE_S, Collector

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "The password is xyzzy"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


def test_a_request_is_a_trace(own_daemon: Any, collector: Collector, tools: Any) -> None:
    daemon = own_daemon(telemetry={"otlp": collector.url})
    body = {"model": daemon.model, "max_tokens": 8}
    body |= {"messages": [{"role": "user", "content": SECRET}]}
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    answer = daemon.http.post("/v1/chat/completions", json=body, headers=headers).json()
    span = collector.wait(f"chat {daemon.model}")
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
    assert span.attributes["gen_ai.response.id"] == answer["id"]
    usage = answer["usage"]
    assert span.attributes["gen_ai.usage.input_tokens"] == usage["prompt_tokens"]
    assert span.attributes["gen_ai.usage.output_tokens"] == usage["completion_tokens"]
    assert span.attributes["edge.energy_quality"] == answer["edge"]["energy_quality"]
    parts = collector.below(span)
    assert {"prefill", "decode"} <= set(parts)
    for part in parts.values():
        assert span.start_ns <= part.start_ns <= part.end_ns <= span.end_ns
    said = answer["choices"][0]["message"]["content"]
    for text in (SECRET, *([said] if len(said) > 8 else [])):
        assert text.encode() not in collector.bodies

    us = psutil.Process(daemon.process.pid)
    [sender] = [each for each in us.children() if "edge_rt.telemetry.exporter" in each.cmdline()]
    inet = {each.pid for each in psutil.net_connections("inet")}
    inet &= {each.pid for each in [us, *us.children()]}
    assert inet <= {sender.pid}, "the daemon and its engine have no connection"
    assert daemon.terminate() == 0
    assert tools.gone(sender.pid)


def test_a_collector_that_hangs_fails_no_answer(own_daemon: Any, collector: Collector) -> None:
    collector.go.clear()
    daemon = own_daemon(telemetry={"otlp": collector.url})
    for _ in range(3):
        assert daemon.complete("Hello", max_tokens=2)
    assert collector.asked.wait(PATIENCE_S)
    assert daemon.complete("Hello", max_tokens=2)
    assert daemon.terminate() == 0
