"""What is counted, and that clients cannot make series."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_rt.api.middleware.access import REFUSED
from edge_rt.core.errors import EngineError, Unavailable


def samples(client) -> dict[tuple, float]:
    response = client.get("/metrics")
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(response.body.decode())
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }


def requests(client) -> dict[tuple[str, str, str], float]:
    found = {}
    for (name, *labels), value in samples(client).items():
        if name == "edge_rt_requests_total":
            given = dict(labels)
            found[given["endpoint"], given["model"], given["status"]] = value
    return found


def test_requests_by_endpoint_model_and_status(client):
    client.chat()
    client.chat(stream=True)
    client.complete()
    client.chat(n=0)
    client.get("/v1/models/smol")
    client.get("/nowhere")
    assert requests(client) == {
        ("/v1/chat/completions", "smol", "200"): 2,
        ("/v1/completions", "smol", "200"): 1,
        ("/v1/chat/completions", "", "400"): 1,
        ("/v1/models/{id}", "", "200"): 1,
        ("other", "", "404"): 1,
    }


def test_unknown_names_make_no_series(client):
    def series() -> int:
        return len(samples(client))

    client.chat(model="nobody-0")
    client.get("/v1/models/nobody-0")
    client.get("/nobody-0")
    client.get("/metrics")
    before = series()
    for i in range(20):
        client.chat(model=f"nobody-{i}")
        client.get(f"/v1/models/nobody-{i}")
        client.get(f"/nobody-{i}")
    assert series() == before


def test_refusals_are_counted_by_why(client, service):
    for code, times in (("too_hot", 2), ("budget", 1)):
        service.script = lambda call, code=code: [Unavailable("no", retry_after_s=1.0, code=code)]
        for stream in [True, False][:times]:
            assert client.chat(stream=stream).status == 503
    found = samples(client)
    assert found["edge_rt_refused_requests_total", ("reason", "too_hot")] == 2
    assert found["edge_rt_refused_requests_total", ("reason", "budget")] == 1


def test_tokens_and_seconds_by_model(client):
    client.chat(n=2)
    found = samples(client)
    model = ("model", "smol")
    assert found["edge_rt_tokens_total", ("kind", "prompt"), model] == 10
    assert found["edge_rt_tokens_total", ("kind", "cached"), model] == 4
    assert found["edge_rt_tokens_total", ("kind", "completion"), model] == 4
    assert found["edge_rt_queue_seconds_sum", model] == 0.1
    assert found["edge_rt_first_token_seconds_count", model] == 1
    assert found["edge_rt_decode_seconds_per_token_sum", model] == 0.25


def test_time_to_first_token_is_measured_from_the_arrival(make_client):
    ticks = iter([100.0, 103.0])
    client = make_client(monotonic=lambda: next(ticks, 200.0))
    client.chat()
    assert samples(client)["edge_rt_first_token_seconds_sum", ("model", "smol")] == 3.0


def test_a_client_that_left_is_counted_and_no_longer_in_flight(client, service, script):
    async def run():
        service.script = lambda call: [script.started(), script.delta("a"), asyncio.Event()]
        body = {"messages": [{"role": "user", "content": "Hi"}]}
        connection = client.open("POST", "/v1/chat/completions", body)
        while not service.opened:
            await asyncio.sleep(0)
        connection.leave()
        await connection.end()

    asyncio.run(run())
    assert requests(client)["/v1/chat/completions", "smol", "499"] == 1
    assert samples(client)[("edge_rt_requests_in_flight",)] == 1  # the one that asks


def test_a_body_that_the_server_refused_is_counted_as_that(client):
    async def run():
        connection = client.open("POST", "/v1/chat/completions", (), state={REFUSED: 400})
        connection.leave()
        await connection.end()

    asyncio.run(run())
    counted = [key[2] for key in requests(client) if key[0] == "/v1/chat/completions"]
    assert counted == ["400"]


def energy(client) -> dict[str, float]:
    """Joules by quality, and the requests without under "unresolved"."""
    found = {}
    for (name, *labels), value in samples(client).items():
        if name == "edge_rt_energy_joules_total":
            found[dict(labels)["quality"]] = value
        if name == "edge_rt_energy_unresolved_requests_total":
            found["unresolved"] = value
    return found


def test_joules_by_quality_and_requests_without(client, service, script):
    costs = {"a": script.cost(2.0), "b": script.cost(0.5, quality="modelled")}
    service.script = lambda call: [
        script.started(),
        costs.get(call.prompt, script.cost(None)),
        script.finished(),
    ]
    client.complete(prompt=["a", "a", "b"])
    assert energy(client) == {"measured": 4.0, "modelled": 0.5}
    client.complete(prompt=["a", "c", "c"])
    assert energy(client) == {"measured": 6.0, "modelled": 0.5, "unresolved": 1}


@pytest.mark.parametrize("end", [EngineError("died"), None])
def test_a_request_that_broke_off_has_no_joules_and_is_not_unresolved(client, service, script, end):
    service.script = lambda call: [script.started(), script.delta("a"), *([end] if end else [])]
    client.chat()
    assert energy(client) == {}


def test_joules_below_nothing_break_no_answer(client, service, script):
    service.script = lambda call: [script.started(), script.cost(-0.5), script.finished()]
    assert client.chat().status == 200
    assert energy(client) == {"measured": 0.0}


def test_no_series_tells_when_another_was_made(client):
    client.chat()
    assert "_created" not in client.get("/metrics").body.decode()


def test_two_apps_do_not_share_meters(make_client):
    first, second = make_client(), make_client()
    first.chat()
    assert requests(second) == {}
