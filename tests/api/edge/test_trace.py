"""Where several models may answer, one is chosen, and the answer says why."""

from __future__ import annotations

from typing import Any

import pytest

from edge_rt.core.trace import Trace
from edge_rt.routing.quality import FLOORS

TRACE = Trace("auto", "latency", True, "other: the fewest seconds of 2 settings", [])


@pytest.fixture(autouse=True)
def routing(service: Any) -> None:
    service.routing = TRACE


def test_the_chosen_model_answers_and_the_reason_is_told(client, service):
    for response in (client.chat(model="auto"), client.complete(model="auto")):
        answer = response.json()
        assert answer["model"] == answer["edge"]["model"] == "other-1.5b@q4"
        assert (answer["edge"]["asked"], answer["edge"]["why"]) == (None, None)
        assert answer["edge"]["route"] == TRACE.why
        assert "route_trace" not in answer["edge"]
        assert response.headers["x-edge-route"].startswith("other:%20the%20fewest")
    assert {call.plan.model for call in service.calls} == {"other-1.5b@q4"}


def test_the_router_hears_what_the_choice_depends_on(client, service):
    edge = {"prefer": "latency", "latency_s": 2.5, "energy_j": 3, "quality": "high"}
    client.chat(model="auto", max_tokens=7, edge=edge)
    client.complete(prompt=["On", "Once upon"], ignore_eos=True)
    chat, text = service.wishes
    assert (chat.model, chat.max_tokens, chat.ignore_eos, chat.trace) == ("auto", 7, False, False)
    assert chat.objectives == ("latency", 2.5, 3.0, FLOORS["high"])
    assert (text.model, text.max_tokens, text.ignore_eos) == ("default", 16, True)
    assert text.objectives == (None, None, None, None)
    assert service.written == ["<rendered>", "Once upon"]


def test_chosen_threads_are_asked_for_and_told(client, service):
    service.threads = 1
    for response in (client.chat(model="auto"), client.complete(model="auto")):
        assert response.json()["edge"]["threads"] == 1
        assert response.headers["x-edge-threads"] == "1"
    assert [call.plan.threads for call in service.calls] == [1, 1]
    service.threads = None
    assert "threads" not in client.chat(model="auto").json()["edge"]
    assert service.calls[-1].plan.threads is None


def test_a_template_is_filled_in_once_for_each_model(client, service):
    client.chat(model="auto")
    assert [rendered["model"] for rendered in service.rendered] == ["other-1.5b@q4"]


def test_a_trace_is_in_the_answer_that_asks_for_it(client):
    whole = client.chat(model="auto", edge={"trace": True})
    assert whole.json()["edge"]["route_trace"]["why"] == TRACE.why
    assert not [name for name in whole.headers if "trace" in name]
    for usage in (False, True):
        fields = {"stream": True, "stream_options": {"include_usage": usage}}
        *rest, last, _ = client.complete(edge={"trace": True}, **fields).events()
        assert last["edge"]["route_trace"]["prefer"] == "latency"
        assert not any("edge" in event for event in rest)


def test_a_trace_is_kept_under_the_id_of_the_answer(client, service):
    answer = client.chat(model="auto").json()
    service.traces.keep(service.wishes[0].id, TRACE)
    found = client.get(f"/edge/v1/trace/{answer['id']}")
    assert (found.status, found.json()["why"]) == (200, TRACE.why)
    missing = client.get("/edge/v1/trace/chatcmpl-0")
    assert (missing.status, missing.json()["error"]["code"]) == (400, "trace_not_found")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prefer", "speed"),
        ("quality", "best"),
        ("quality", 1.5),
        ("cache", "maybe"),
        ("cache", True),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(client, field, value):
    refused = client.chat(edge={field: value})
    error = refused.json()["error"]
    assert (refused.status, error["param"]) == (400, f"edge.{field}")
    assert error["message"].startswith(f"`edge.{field}`: ")


@pytest.mark.parametrize(
    ("edge", "param"),
    [
        ({"prefer": "speed"}, "edge.prefer"),
        ({"trace": 1}, "edge.trace"),
        ({"quality": "best"}, "edge.quality"),
        ({"quality": 1.5}, "edge.quality"),
        ({"quality": [0.5]}, "edge.quality"),
    ],
)
def test_what_makes_no_sense_is_named(client, service, edge, param):
    response = client.chat(edge=edge)
    assert (response.status, response.json()["error"]["param"]) == (400, param)
    assert service.calls == []
