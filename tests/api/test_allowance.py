"""What a request says that it may take comes to its calls, and who answers is told."""

from __future__ import annotations

import pytest

from edge_rt.api.allowance import Allowance, grant
from edge_rt.core.decoding import Sampling
from edge_rt.core.requests import Call, Plan

CALL = Call(Plan("m"), "Once", False, Sampling())


def test_nothing_is_limited_unless_it_is_asked_for(client, service):
    client.chat()
    client.complete(edge={})
    assert [(call.energy_j, call.deadline_s) for call in service.calls] == [(None, None)] * 2


def test_the_deadline_counts_from_the_coming_of_the_request(make_client, service):
    client = make_client(monotonic=lambda: 100.0)
    client.chat(edge={"energy_j": 3, "latency_s": 2.5})
    client.complete(edge={"latency_s": 1})
    assert [(c.energy_j, c.deadline_s) for c in service.calls] == [(3.0, 102.5), (None, 101.0)]


def test_the_calls_of_one_request_share_its_joules_and_have_one_deadline():
    calls = grant([CALL] * 4, Allowance(energy_j=6.0, latency_s=2.0), 10.0)
    assert [(call.energy_j, call.deadline_s) for call in calls] == [(1.5, 12.0)] * 4


@pytest.mark.parametrize(
    ("edge", "param"),
    [
        ({"energy_j": 0}, "edge.energy_j"),
        ({"latency_s": -1}, "edge.latency_s"),
        ({"energy_j": "lots"}, "edge.energy_j"),
        ({"energy": 5}, "edge.energy"),
        (5, "edge"),
    ],
)
def test_what_makes_no_sense_is_named(client, service, edge, param):
    for response in (client.chat(edge=edge), client.complete(edge=edge)):
        assert (response.status, response.json()["error"]["param"]) == (400, param)
    assert service.calls == []


def test_the_model_that_stands_in_is_used_and_named_with_the_reason(client, service):
    service.stands_in = "other-1.5b@q4"
    for response in (client.chat(model="smol"), client.complete(model="smol")):
        answer = response.json()
        assert answer["model"] == answer["edge"]["model"] == "other-1.5b@q4"
        assert (answer["edge"]["asked"], answer["edge"]["why"]) == ("smol", "the board is hot")
    assert {call.plan.model for call in service.calls} == {"other-1.5b@q4"}
    assert service.rendered[0]["model"] == "other-1.5b@q4"


def test_a_stream_names_it_at_its_start(client, service):
    service.stands_in = "other-1.5b@q4"
    response = client.chat(model="smol", stream=True)
    assert response.headers["x-edge-asked"] == "smol"
    assert response.headers["x-edge-why"] == "the%20board%20is%20hot"


def test_why_an_answer_ended_early_is_told(client, service, script):
    cut = script.cost(why="its energy is spent")
    service.script = lambda call: [script.started(), cut, script.finished(reason="length")]
    answer = client.complete(prompt=["a", "b"]).json()
    assert [choice["finish_reason"] for choice in answer["choices"]] == ["length"] * 2
    assert answer["edge"]["why"] == "its energy is spent"
    service.stands_in = "other-1.5b@q4"
    edge = client.chat(model="smol").json()["edge"]
    assert edge["why"] == "the board is hot; its energy is spent"
