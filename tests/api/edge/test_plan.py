"""Plans over HTTP: one document, or a stream while candidates are run."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from edge_rt.core.errors import ModelNotFound, RequestError, Unavailable
from edge_rt.core.reports.planning import PlanAsk, PlanCandidate, PlanReport, Tried

PATH = "/edge/v1/plan"
CANDIDATE = PlanCandidate(
    model="smol",
    backend="llama.cpp",
    threads=2,
    prompt_tokens=9,
    completion_tokens=32,
    seconds=0.5,
    prefill_s=0.1,
    decode_s=0.4,
    energy_j=1.5,
    total_j=3.0,
    power_w=6.0,
    end_temp_c=None,
    band_c=None,
    error_ratio=0.1,
    basis="calibrated",
    chosen=True,
    reason="it is what the governor allows",
)
TRIED = Tried(
    predicted=CANDIDATE,
    prompt_tokens=9,
    cached_tokens=0,
    completion_tokens=32,
    quality="measured",
    seconds=0.4,
    seconds_error=0.25,
)


def test_a_plan_is_one_document(client: Any, service: Any) -> None:
    service.plans = [PlanReport([CANDIDATE])]
    response = client.post(PATH, {"prompt": "Once", "max_tokens": 32, "threads": [2, 2]})
    assert response.status == 200
    assert msgspec.json.decode(response.body, type=PlanReport) == service.plans[0]
    assert service.asks == [PlanAsk(prompt="Once", max_tokens=32, threads=[2])]


def test_messages_go_through_as_templates_read_them(client: Any, service: Any) -> None:
    service.plans = [PlanReport([])]
    parts = [{"type": "text", "text": "Hi"}, {"type": "text", "text": "you"}]
    assert client.post(PATH, {"messages": [{"role": "user", "content": parts}]}).status == 200
    assert service.asks == [PlanAsk(messages=[{"role": "user", "content": "Hi\nyou"}])]


def test_runs_come_as_a_stream(client: Any, service: Any) -> None:
    service.plans = [PlanReport([CANDIDATE]), TRIED]
    body = {"prompt": "Once", "run": True, "fresh": True, "seed": 7, "temperature": 0}
    response = client.post(PATH, body)
    assert response.headers["content-type"].startswith("text/event-stream")
    planned, tried, done = response.events()
    assert planned["candidates"][0]["end_temp_c"] is None
    assert (tried["type"], tried["seconds_error"]) == ("tried", 0.25)
    assert tried["predicted"]["model"] == "smol"
    assert done == "[DONE]"
    assert service.asks == [PlanAsk(prompt="Once", fresh=True, seed=7, temperature=0.0)]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": "x", "messages": [{"role": "user", "content": "x"}]}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"prompt": "x", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "x", "threads": [0]}, "threads[0]"),
        ({"prompt": "x", "tokens": 3}, "tokens"),
        ({"prompt": "x", "models": [3]}, "models[0]"),
        ({"prompt": "x", "temperature": 3}, "temperature"),
        ({"prompt": "x", "run": True, "constrained": True}, "constrained"),
    ],
)
def test_what_cannot_be_is_named(client: Any, service: Any, body: Any, param: str) -> None:
    response = client.post(PATH, body)
    assert (response.status, response.json()["error"]["param"]) == (400, param)
    assert service.asks == []


@pytest.mark.parametrize("run", [False, True])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ModelNotFound("no model"), 404),
        (RequestError("no", param="threads"), 400),
        (Unavailable("a calibration is under way", retry_after_s=30.0), 503),
    ],
)
def test_what_the_daemon_says_no_to(
    client: Any, service: Any, run: bool, error: Exception, status: int
) -> None:
    service.plans = [error]
    assert client.post(PATH, {"prompt": "x", "run": run}).status == status


def test_what_fails_in_the_middle_is_told_in_the_stream(client: Any, service: Any) -> None:
    service.plans = [PlanReport([CANDIDATE]), RuntimeError("boom")]
    planned, failure = client.post(PATH, {"prompt": "x", "run": True}).events()
    assert planned["candidates"]
    assert failure["error"]["code"] == "internal_error"


def test_runs_end_when_the_client_leaves(make_client: Any, service: Any) -> None:
    service.plans = [PlanReport([CANDIDATE]), asyncio.Event()]

    async def run() -> None:
        connection = make_client().open("POST", PATH, {"prompt": "x", "run": True})
        await connection.message()
        assert service.opened == 1
        connection.leave()
        await connection.end()
        assert service.closed == 1

    asyncio.run(run())


def test_only_post(client: Any) -> None:
    assert client.get(PATH).status == 405
