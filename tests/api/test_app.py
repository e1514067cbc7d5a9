"""Routes, and errors that no endpoint is responsible for."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref

import pytest

from edge_rt.api.middleware.respond import drop_tracebacks
from edge_rt.config.schema import Requests
from edge_rt.core.errors import RequestError

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


def error_of(response) -> dict:
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return error


@pytest.mark.parametrize("path", ["/v2", "/v1", "/v1/chat/completions/", "/v1/images", "/%00"])
def test_unknown_routes(client, path):
    response = client.post(path, {})
    assert response.status == 404
    assert error_of(response)["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/chat/completions"), ("DELETE", "/v1/models/smol"), ("POST", "/health")],
)
def test_wrong_methods(client, method, path):
    response = client.request(method, path)
    assert response.status == 405
    assert error_of(response)["code"] == "method_not_allowed"
    assert response.headers["allow"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b'{"model": "\xff"}',
        b'{"model": "\\ud800"}',
        b'{"n": NaN}',
        b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_bodies_that_are_not_a_json_object(client, path, body):
    response = client.post(path, body)
    assert response.status == 400
    assert error_of(response)["param"] is None


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_json_is_read_whatever_the_content_type(client, kind):
    headers = {"content-type": kind}
    assert client.post("/v1/chat/completions", CHAT, headers=headers).status == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "nonsense"])
def test_bodies_that_are_compressed_are_refused_by_name(client, encoding):
    answer = client.post("/v1/completions", {"prompt": "a"}, headers={"content-encoding": encoding})
    assert answer.status == 415
    assert encoding in answer.json()["error"]["message"]
    assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("target", ["http://localhost/v1/models", "https://a:1/v1/models"])
def test_targets_with_a_host_are_those_of_its_path(client, target):
    assert client.get(target).json() == client.get("/v1/models").json()
    assert client.get("http://localhost").status == client.get("/").status


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_unknown_models(client, path):
    response = client.post(path, {**CHAT, "prompt": "x", "model": "gpt-9"})
    error = error_of(response)
    assert response.status == 404
    assert (error["param"], error["code"]) == ("model", "model_not_found")
    assert "gpt-9" in error["message"]


@pytest.mark.parametrize("model", [None, "", "default"])
def test_no_model_means_the_default_one(client, model):
    assert client.chat(model=model).json()["model"] == "smol"


def test_a_template_that_refuses_is_the_requests_fault(client, service):
    service.render_error = RequestError("roles must alternate", param="messages")
    response = client.chat()
    assert response.status == 400
    assert error_of(response)["param"] == "messages"


def test_bodies_above_the_limit(make_client, service):
    client = make_client(Requests(body_bytes=100))
    body = json.dumps({**CHAT, "user": "x" * 100}).encode()
    declared = client.post("/v1/completions", body, headers={"content-length": str(len(body))})
    undeclared = client.post("/v1/completions", (body[:60], body[60:]))
    for response in (declared, undeclared):
        assert response.status == 413
        assert error_of(response)["code"] == "request_too_large"
    assert service.calls == []


def test_a_request_carries_on_over_several_body_chunks(client):
    body = json.dumps(CHAT).encode()
    assert client.post("/v1/chat/completions", (body[:5], body[5:], b"")).status == 200


def test_lifespan_starts_and_stops(client):
    async def run() -> list[str]:
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
        sent: list[str] = []

        async def receive():
            return next(messages)

        async def send(message):
            sent.append(message["type"])

        await client.app({"type": "lifespan"}, receive, send)
        return sent

    assert asyncio.run(run()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_failed_request_keeps_nothing_in_memory(client, service, script, stream):
    held = []

    async def generate(call):
        body = asyncio.Event()  # something of the request
        held.append(weakref.ref(body))
        if stream:
            yield script.started()
        error = RequestError("it is too long", param="prompt")  # which holds this frame
        raise error

    service.generate = generate
    gc.disable()
    try:
        assert b"it is too long" in client.chat(stream=stream).body
        assert [one() for one in held] == [None]
    finally:
        gc.enable()


def test_a_request_that_still_handles_an_error_is_not_ended_by_another_with_the_same() -> None:
    """As of an engine that has ended: one request goes on in the next engine, another fails."""

    async def run() -> str:
        shared, go = RequestError("the engine has ended"), asyncio.Event()

        async def handle() -> str:
            try:
                raise shared
            except RequestError:
                await go.wait()
            return "answered"

        handling = asyncio.create_task(handle())
        await asyncio.sleep(0)
        try:
            raise shared
        except RequestError as error:
            drop_tracebacks(error)
        go.set()
        return await handling

    assert asyncio.run(run()) == "answered"
