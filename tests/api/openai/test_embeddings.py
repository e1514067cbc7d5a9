"""POST /v1/embeddings: OpenAI's shape, and ours beside it."""

from __future__ import annotations

import asyncio
import base64
import struct
from typing import Any

import pytest

from edge_rt.config.schema import Requests
from edge_rt.core.errors import EngineError, RequestError, Unavailable
from edge_rt.core.requests import EmbedCall

PATH = "/v1/embeddings"


def test_each_input_has_its_vector(client, service) -> None:
    answer = client.post(PATH, {"model": "vec", "input": ["a", "bcd"], "user": "me"})
    assert answer.status == 200
    body = answer.json()
    assert body["object"] == "list"
    assert body["model"] == "vec"
    assert body["data"] == [
        {"object": "embedding", "index": 0, "embedding": [1.0, 0.5]},
        {"object": "embedding", "index": 1, "embedding": [3.0, 0.5]},
    ]
    assert body["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    assert service.embeds == [EmbedCall("vec", ["a", "bcd"], app="(unnamed)")]


def test_texts_may_be_strings_and_token_ids(client, service) -> None:
    answer = client.post(PATH, {"model": "vec", "input": ["abc", [1, 2]]})
    assert [one["embedding"][0] for one in answer.json()["data"]] == [3.0, 2.0]
    assert service.embeds == [EmbedCall("vec", ["abc", [1, 2]], app="(unnamed)")]


def test_what_it_cost_stands_beside_it_and_in_headers(client) -> None:
    answer = client.post(PATH, {"model": "vec", "input": "a"})
    edge = answer.json()["edge"]
    assert edge["energy_j"] == 1.5
    assert edge["energy_quality"] == "measured"
    assert edge["queue_s"] == 0.25
    assert edge["prefill_s"] == 0.5
    assert edge["tokens_per_s"] is None
    assert answer.headers["x-edge-model"] == "vec"
    assert answer.headers["x-edge-energy-j"] == "1.5"


def test_base64_is_float32(client) -> None:
    answer = client.post(PATH, {"model": "vec", "input": "ab", "encoding_format": "base64"})
    [item] = answer.json()["data"]
    assert struct.unpack("<2f", base64.b64decode(item["embedding"])) == (2.0, 0.5)


@pytest.mark.parametrize(
    ("given", "inputs"),
    [("text", ["text"]), ([5, 6], [[5, 6]]), ([[5], [6]], [[5], [6]]), (["a", "b"], ["a", "b"])],
)
def test_inputs_come_in_four_shapes(client, service, given: Any, inputs: list[Any]) -> None:
    assert client.post(PATH, {"model": "vec", "input": given}).status == 200
    assert service.embeds[0].inputs == inputs


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"input": ""}, "input", "invalid_value"),
        ({"input": ["a", ""]}, "input[1]", "invalid_value"),
        ({"input": [[5], []]}, "input[1]", "invalid_value"),
        ({"input": []}, "input", "invalid_value"),
        ({"input": ["a", 5]}, "input", "invalid_value"),
        ({"input": ["a"] * 2049}, "input", "invalid_value"),
        ({"input": None}, "input", "invalid_value"),
        ({"dimensions": 0}, "dimensions", "invalid_value"),
        ({"encoding_format": "hex"}, "encoding_format", "invalid_value"),
        ({"edge": {"truncate": "left"}}, "edge.truncate", "invalid_value"),
        ({"edge": {"energy_j": -1}}, "edge.energy_j", "invalid_value"),
        ({"edge": {"cut": 1}}, "edge.cut", "unknown_parameter"),
        ({"model": "smol"}, "model", "unsupported"),
    ],
)
def test_what_cannot_be_is_named(client, service, changes: Any, param: str, code: str) -> None:
    answer = client.post(PATH, {"model": "vec", "input": "a"} | changes)
    assert answer.status == 400
    error = answer.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert not service.embeds


def test_an_encoding_that_is_none_is_refused_by_its_name(client) -> None:
    answer = client.post(PATH, {"model": "vec", "input": "a", "encoding_format": "hex"})
    error = answer.json()["error"]
    assert error["param"] == "encoding_format"
    assert error["message"] == "`encoding_format`: Invalid enum value 'hex'."


def test_a_model_that_is_not_there(client) -> None:
    assert client.post(PATH, {"model": "absent", "input": "a"}).status == 404


def test_without_a_model_it_is_the_one_that_embeds(client) -> None:
    assert client.post(PATH, {"input": "a"}).json()["model"] == "vec"


@pytest.mark.parametrize(
    ("given", "side"), [(True, "end"), (False, None), ("end", "end"), ("start", "start")]
)
def test_which_side_may_be_cut(client, service, given: Any, side: str | None) -> None:
    client.post(PATH, {"model": "vec", "input": "a", "edge": {"truncate": given}})
    assert service.embeds[0].truncate == side


def test_what_it_may_take_is_passed_on(make_client, service) -> None:
    client = make_client(monotonic=lambda: 100.0)
    edge = {"energy_j": 2.5, "latency_s": 3.0}
    client.post(PATH, {"model": "vec", "input": "a", "dimensions": 1, "edge": edge})
    [call] = service.embeds
    assert (call.energy_j, call.deadline_s, call.dimensions) == (2.5, 103.0, 1)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RequestError("too long", param="input"), 400),
        (Unavailable("hot", retry_after_s=7.0, code="too_hot"), 503),
        (EngineError("broken"), 500),
    ],
)
def test_what_the_daemon_says_is_told(client, service, error: Exception, status: int) -> None:
    service.fault = error
    answer = client.post(PATH, {"model": "vec", "input": "a"})
    assert answer.status == status
    if status == 503:
        assert answer.headers["retry-after"] == "7"


def test_a_client_that_leaves_cancels_it(client, service) -> None:
    async def run() -> None:
        service.hold = asyncio.Event()
        connection = client.open("POST", PATH, {"model": "vec", "input": "a"})
        while not service.embeds:
            await asyncio.sleep(0)
        connection.leave()
        await connection.end()

    asyncio.run(run())
    assert service.cancelled == 1


def test_it_is_counted(client) -> None:
    client.post(PATH, {"model": "vec", "input": ["a", "bcd"]})
    text = client.get("/metrics").body.decode()
    assert 'edge_rt_tokens_total{kind="prompt",model="vec"} 4.0' in text
    assert 'edge_rt_energy_joules_total{model="vec",quality="measured"} 1.5' in text
    requests = 'edge_rt_requests_total{endpoint="/v1/embeddings",model="vec",status="200"} 1.0'
    assert requests in text


def test_a_body_that_is_too_large_is_refused(make_client) -> None:
    client = make_client(Requests(body_bytes=100))
    assert client.post(PATH, {"model": "vec", "input": "a" * 200}).status == 413
