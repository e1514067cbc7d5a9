"""What a request becomes for OpenTelemetry, and what is left out of it."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from edge_rt.core.errors import EngineError, Unavailable
from edge_rt.telemetry import RequestSpan

NOW_S = 1_800_000_000.5  # of the client's clock
SECRET = "xyzzy"  # stands in every text of a request and its answer
S = 1_000_000_000


@pytest.fixture
def spans() -> list[RequestSpan]:
    return []


@pytest.fixture
def traced(make_client: Any, spans: list[RequestSpan]) -> Any:
    """A client of an app whose monotonic clock goes on by a second with each look."""
    ticks = itertools.count(1000)
    return make_client(trace=spans.append, monotonic=lambda: float(next(ticks)))


def test_a_chat(traced: Any, spans: list[RequestSpan]) -> None:
    assert traced.chat(model="smol").status == 200
    (span,) = spans
    assert span.name == "chat smol"
    assert not span.failed
    assert span.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "edge_rt",
        "gen_ai.request.model": "smol",
        "gen_ai.response.model": "smol",
        "gen_ai.response.id": "chatcmpl-42",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "edge.backend": "llama.cpp",
        "edge.mode": "single",
        "edge.energy_j": 1.5,
        "edge.energy_quality": "measured",
        "edge.power_w": 6.25,
        "edge.temp_c": 51.5,
        "edge.queue_s": 0.1,
        "edge.prefill_s": 0.2,
        "edge.decode_s": 0.5,
        "edge.tokens_per_s": 2.0,
        "edge.first_token_s": span.attributes["edge.first_token_s"],
    }
    assert span.attributes["edge.first_token_s"] >= 1


def test_its_parts_lie_back_to_back_within_it(traced: Any, spans: list[RequestSpan]) -> None:
    traced.chat()
    (span,) = spans
    decode, prefill, queue = span.phases
    assert [part.name for part in span.phases] == ["decode", "prefill", "queue"]
    assert span.start_ns < queue.start_ns < queue.end_ns == prefill.start_ns
    assert prefill.end_ns == decode.start_ns < decode.end_ns < span.end_ns
    assert decode.end_ns - decode.start_ns == pytest.approx(S // 2, abs=1000)
    assert span.end_ns == pytest.approx(NOW_S * S, abs=2 * S), "in Unix nanoseconds"


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1/completions", {"prompt": "a"}, "text_completion smol"),
        ("/v1/responses", {"model": "smol", "input": "a"}, "chat smol"),
        (
            "/api/chat",
            {"model": "smol", "messages": [{"role": "user", "content": "a"}]},
            "chat smol",
        ),
        ("/api/generate", {"model": "smol", "prompt": "a"}, "text_completion smol"),
        ("/v1/embeddings", {"model": "vec", "input": "a"}, "embeddings vec"),
        ("/api/embed", {"model": "vec", "input": "a"}, "embeddings vec"),
    ],
)
def test_each_api(
    traced: Any, spans: list[RequestSpan], path: str, body: dict[str, Any], name: str
) -> None:
    assert traced.post(path, body).status == 200
    (span,) = spans
    assert span.name == name
    assert span.attributes["http.route"] == path
    assert span.attributes["edge.energy_j"] == 1.5
    assert "prefill" in {part.name for part in span.phases}


def test_what_no_model_works_for_is_no_trace(traced: Any, spans: list[RequestSpan]) -> None:
    for path in ("/v1/models", "/health", "/metrics", "/nowhere", "/edge/v1/status"):
        traced.get(path)
    assert spans == []


def test_the_headers_of_the_client_s_trace_go_along(traced: Any, spans: list[RequestSpan]) -> None:
    parent = {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "tracestate": "k=v"}
    body = {"messages": [{"role": "user", "content": "a"}]}
    traced.post("/v1/chat/completions", body, headers={**parent, "x-other": "o"})
    assert spans[0].parent == parent


@pytest.mark.parametrize(
    ("fault", "status", "failed"),
    [
        (EngineError("broken"), 500, True),
        (Unavailable("later", retry_after_s=1), 503, True),
    ],
)
def test_what_fails_says_so(
    traced: Any, service: Any, spans: list[RequestSpan], fault: Exception, status: int, failed: bool
) -> None:
    service.script = lambda call: [fault]
    assert traced.chat(model="smol").status == status
    (span,) = spans
    assert (span.failed, span.attributes["error.type"]) == (failed, str(status))
    assert span.phases == []


def test_a_wrong_request_is_no_failure_of_the_server(traced: Any, spans: list[RequestSpan]) -> None:
    assert traced.chat(n=0).status == 400
    (span,) = spans
    assert not span.failed
    assert span.attributes["http.response.status_code"] == 400
    assert span.name == "chat"


def test_an_answer_from_the_cache(
    make_client: Any, make_cache: Any, spans: list[RequestSpan]
) -> None:
    client = make_client(trace=spans.append, cache=make_cache())
    for _ in range(3):
        assert client.chat(temperature=0).status == 200
    first, second, third = spans
    assert "edge.cache" not in first.attributes
    assert second.attributes["edge.cache"] == "exact"
    assert second.phases == third.phases == []
    assert second.attributes == third.attributes  # ids are the same in tests


def test_no_text_of_anybody(
    traced: Any, service: Any, script: Any, spans: list[RequestSpan]
) -> None:
    service.script = lambda call: [
        script.started(),
        script.delta(SECRET),
        script.cost(),
        script.finished(),
    ]
    tool = {"type": "function", "function": {"name": SECRET, "description": SECRET}}
    message = {"role": "user", "content": SECRET, "name": SECRET}
    whole = {"messages": [message], "tools": [tool], "user": SECRET, "stop": [SECRET + "!"]}
    traced.post("/v1/chat/completions", whole)
    traced.post("/v1/chat/completions", whole | {"edge": {"choice": [SECRET]}})
    traced.post("/v1/chat/completions", whole | {"grammar": SECRET, SECRET: 1})
    traced.post("/v1/chat/completions", b'{"messages": ' + SECRET.encode())
    assert len(spans) == 4
    assert SECRET not in msgspec.json.encode(spans).decode()
