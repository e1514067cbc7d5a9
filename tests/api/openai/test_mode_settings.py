"""How tokens are to be decided on is asked for, checked, handed on and told."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edge_rt.core.decoding import Gating, Made, Mode
from edge_rt.core.errors import RequestError, Unavailable
from edge_rt.core.routing import DecodingRequest

ASKED = [{"mode": "switch"}, {"partner": "other-1.5b"}, {"large_share": 0.2}, {"threshold": 2.0}]
PAIR = Mode("switch", "other-1.5b@q4", gating=Gating(share=0.2))
ALONE = "smol answers by itself: other-1.5b@q4 cannot help"
SPECULATIVE = Mode("speculative", "other-1.5b@q4")
MADE = Made(small=3, large=1, switches=2, catch_up=4, accepted=0, rejected=1)


@pytest.fixture
def together(service, script):
    """Everything is answered by two models."""

    def made(call):
        *events, end = script.hello(call)
        return [*events, replace(end, made=MADE)]

    service.mode, service.script = PAIR, made
    return service


def test_what_is_asked_comes_to_the_router(client, service):
    edge = {"mode": "switch:entropy", "partner": "tiny", "large_share": 0.2}
    client.chat(edge=edge)
    client.complete(edge={"mode": "speculative"})
    client.chat()
    assert [route_request.mode for route_request in service.wishes] == [
        DecodingRequest("switch:entropy", "tiny", 0.2),
        DecodingRequest("speculative"),
        DecodingRequest(),
    ]


@pytest.mark.parametrize(
    ("edge", "field", "words"),
    [
        ({"mode": "fast"}, "mode", "there is no mode 'fast'; there are single, lookup"),
        ({"mode": "lookup", "large_share": 0.2}, "large_share", "leave it out, or choose switch"),
        ({"mode": "switch:early"}, "mode", "there is no mode 'switch:early'"),
        ({"mode": "switch", "large_share": 0.2, "threshold": 1}, "threshold", "send one"),
        ({"mode": "speculative", "threshold": 3}, "threshold", "is for the mode switch"),
        ({"mode": "lookup", "partner": "tiny"}, "partner", "the mode lookup takes none"),
        ({"large_share": 20}, "large_share", "<= 1"),
        ({"threshold": -1}, "threshold", ">= 0"),
        ({"mode": 5}, "mode", "str"),
    ],
)
def test_what_does_not_go_together_is_named(client, service, edge, field, words):
    for response in (client.chat(edge=edge), client.complete(edge=edge)):
        error = response.json()["error"]
        assert (response.status, error["param"]) == (400, f"edge.{field}")
        assert words in error["message"]
    assert service.calls == []


def test_the_mode_reaches_the_calls_and_is_told(client, together):
    for response in (client.chat(), client.complete()):
        edge = response.json()["edge"]
        assert (edge["mode"], edge["partner"]) == ("switch:entropy", "other-1.5b@q4")
        assert (edge["small_tokens"], edge["large_tokens"], edge["switches"]) == (3, 1, 2)
        assert edge["catch_up_tokens"] == 4
        assert (edge["accepted_tokens"], edge["rejected_tokens"]) == (0, 1)
        assert response.headers["x-edge-mode"] == "switch:entropy"
        assert response.headers["x-edge-small-tokens"] == "3"
    assert [call.plan.mode for call in together.calls] == [PAIR, PAIR]


def test_an_answer_by_a_gate_tells_the_share_and_the_gates_value(client, together, script):
    assert "threshold" not in client.chat().json()["edge"]
    gated = replace(MADE, threshold=0.83214)
    together.script = lambda call: [
        script.started(),
        script.cost(),
        replace(script.finished(), made=gated),
    ]
    edge = client.chat().json()["edge"]
    assert (edge["large_share"], edge["threshold"]) == (0.25, 0.8321)


def test_a_stream_tells_it_at_its_start_and_its_end(client, together):
    response = client.chat(stream=True)
    assert response.headers["x-edge-mode"] == "switch:entropy"
    assert response.headers["x-edge-partner"] == "other-1.5b@q4"
    [edge] = [event["edge"] for event in response.events()[:-1] if "edge" in event]
    assert edge["large_tokens"] == 1


def test_answers_add_up(client, together, script):
    def made(call):
        ends = [replace(script.finished(index), made=MADE) for index in range(call.n)]
        *firsts, last = ends
        return [script.started(), *firsts, script.cost(), last]

    together.script = made
    edge = client.chat(n=2).json()["edge"]
    assert (edge["small_tokens"], edge["large_tokens"], edge["catch_up_tokens"]) == (6, 2, 8)


def test_who_names_tokens_is_told_to_the_router(client, service):
    for ask in (
        lambda: client.complete(prompt=[1, 2]),
        lambda: client.complete(logit_bias={"7": -1}),
        lambda: client.chat(logit_bias={"7": -1}),
    ):
        ask()
        assert service.wishes[-1].own_tokens
    client.chat()
    client.complete()
    assert [request.own_tokens for request in service.wishes[-2:]] == [False, False]


@pytest.mark.parametrize(
    "fault",
    [
        RequestError("the partner reads less", param="prompt", code="context_length_exceeded"),
        RequestError("unequal vocabularies", param="edge.mode"),
        Unavailable("its file is damaged", retry_after_s=None, code="model_damaged"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_partner_that_cannot_help_is_missed_only_where_it_was_asked_for(
    client, service, script, fault, stream
):
    service.mode = PAIR
    service.script = lambda call: [fault] if call.plan.mode else script.hello(call)
    answer = client.chat(stream=stream)
    edge = (
        next(event["edge"] for event in answer.events()[:-1] if "edge" in event)
        if stream
        else answer.json()["edge"]
    )
    assert (answer.status, edge["mode"], edge["partner"]) == (200, "single", None)
    assert edge["why"] == ALONE
    assert edge["warnings"] == [f"{ALONE}: {fault}"]
    assert [call.plan.mode for call in service.calls] == [PAIR, None]
    assert client.chat(stream=stream, edge={"mode": "switch"}).status in (400, 500)
    assert len(service.calls) == 3


def test_what_has_begun_is_not_begun_again(client, service, script):
    service.mode = PAIR
    fault = Unavailable("gone", retry_after_s=None, code="model_damaged")
    service.script = lambda call: [script.started(), fault]
    assert client.chat().status == 500
    assert len(service.calls) == 1


def test_what_two_models_did_is_counted(client, together):
    client.chat()
    client.chat(stream=True)
    lines = client.get("/metrics").body.decode().splitlines()
    labels = 'mode="switch:entropy",model="smol"'
    assert f'edge_rt_mode_tokens_total{{kind="small",{labels}}} 6.0' in lines
    assert f'edge_rt_mode_tokens_total{{kind="catch_up",{labels}}} 8.0' in lines
    assert f"edge_rt_mode_switches_total{{{labels}}} 4.0" in lines


def test_a_model_by_itself_counts_nothing(client):
    edge = client.chat().json()["edge"]
    assert (edge["mode"], edge["partner"], "small_tokens" in edge) == ("single", None, False)
    assert "edge_rt_mode_tokens_total{" not in client.get("/metrics").body.decode()
