"""The headers say what the edge object says, and nothing can break out of one."""

from __future__ import annotations

import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.api.middleware.respond import edge_headers, warning_headers
from edge_rt.generation.usage import Edge, Origin

NAMES = {
    "x-edge-model",
    "x-edge-backend",
    "x-edge-mode",
    "x-edge-energy-j",
    "x-edge-energy-quality",
    "x-edge-power-w",
    "x-edge-power-quality",
    "x-edge-temp-c",
    "x-edge-queue-s",
    "x-edge-prefill-s",
    "x-edge-decode-s",
    "x-edge-cached-tokens",
    "x-edge-latency-s",
    "x-edge-tokens-per-s",
}
WARNING = "The power budget of 3 W is not above the 3.4 W that the board draws idle: raise it"


def edge_names(response) -> set[str]:
    return {name for name in response.headers if name.startswith("x-edge-")}


def test_a_whole_answer_has_a_header_for_each_field(client):
    for response in (client.chat(), client.complete()):
        edge = response.json()["edge"]
        assert edge_names(response) == NAMES
        for name, value in edge.items():
            shown = response.headers.get(f"x-edge-{name.replace('_', '-')}")
            assert shown == (None if value is None else str(value))


def test_a_stream_has_what_is_known_at_its_start(client):
    response = client.chat(stream=True)
    assert edge_names(response) == {"x-edge-model", "x-edge-backend", "x-edge-mode"}
    assert response.headers["x-edge-model"] == "smol"
    assert response.headers["content-type"].startswith("text/event-stream")


def test_errors_have_none(client):
    assert edge_names(client.chat(n=0)) == set()


def test_what_is_null_has_no_header():
    edge = Edge(
        "m",
        "llama.cpp",
        None,
        None,
        None,
        energy_j=None,
        energy_quality="unresolved",
        power_w=None,
        power_quality=None,
        temp_c=None,
        queue_s=0.0,
        prefill_s=0.0,
        decode_s=0.0,
        cached_tokens=0,
        tokens_per_s=None,
    )
    headers = dict(edge_headers(edge))
    assert b"x-edge-energy-j" not in headers
    assert headers[b"x-edge-cached-tokens"] == b"0"


@given(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,95}", fullmatch=True))
def test_model_ids_are_sent_as_they_are(model):
    assert (
        dict(edge_headers(Origin(model, "llama.cpp", None, None, None)))[b"x-edge-model"]
        == model.encode()
    )


@given(st.text())
def test_no_value_leaves_its_header(value):
    for _, sent in edge_headers(Origin(value, value, value, value, value)):
        assert re.fullmatch(rb"[!-~]*", sent)


def test_every_answer_of_a_model_warns_of_a_cap_that_leaves_nothing(client, service):
    service.governor = msgspec.structs.replace(service.governor, warnings=[WARNING])
    for response in (client.chat(), client.chat(stream=True), client.complete(), client.chat(n=-1)):
        assert response.headers["x-edge-warning"] == WARNING
    assert "x-edge-warning" not in client.get("/v1/models").headers


@given(st.text())
def test_no_warning_can_break_out_of_its_header(text):
    ((name, value),) = warning_headers([text])
    assert name == b"x-edge-warning"
    assert re.fullmatch(rb"[ -~]*", value)
    assert len(warning_headers([text, text])) == 2
