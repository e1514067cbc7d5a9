"""Paths with and without /v1, those that are not served, and the ids of requests."""

from __future__ import annotations

import re

import pytest

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


def test_v1_may_be_left_out(client, service) -> None:
    assert client.post("/chat/completions", CHAT).json()["object"] == "chat.completion"
    assert client.post("/completions", {"prompt": "Once"}).json()["object"] == "text_completion"
    assert client.post("/embeddings", {"input": "a", "model": "vec"}).json()["object"] == "list"
    assert client.get("/models").json() == client.get("/v1/models").json()
    assert client.get("/models/other-1.5b@q4").json()["id"] == "other-1.5b@q4"


@pytest.mark.parametrize("path", ["", "*", "/", "//", "/chat", "/models/", "chat/completions"])
def test_no_path_is_too_strange(client, path) -> None:
    assert client.request("PUT", path).status in (404, 405)


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/edge/v1/bugdet", "/edge/v1/budget"),
        ("/helth", "/v1/models"),
        ("/api/tag", "/api/tags"),
        ("/v1/chat", "/v1/chat/completions"),
    ],
)
def test_an_unknown_path_is_told_with_what_there_is(client, path, there) -> None:
    response = client.post(path, {})
    assert response.status == 404
    error = response.json()["error"]
    message = error if path.startswith("/api/") else error["message"]
    assert f"POST {path} is not served." in message
    assert there in message


def test_a_long_path_is_told_in_short(client) -> None:
    message = client.get("/" + "x" * 5000).json()["error"]["message"]
    assert len(message) < 600


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("GET", "/chat/completions", "POST"),
        ("DELETE", "/v1/models/smol", "GET, HEAD"),
        ("POST", "/edge/v1/budget", "GET, HEAD, PUT"),
        ("GET", "/api/chat", "POST"),
    ],
)
def test_other_methods_are_told_with_those_there_are(client, method, path, allowed) -> None:
    response = client.request(method, path)
    assert (response.status, response.headers["allow"]) == (405, allowed)
    error = response.json()["error"]
    assert f"takes {allowed}." in (error if path == "/api/chat" else error["message"])


def test_each_answer_has_an_id_of_its_request(client) -> None:
    answers = [client.get("/v1/models"), client.get("/nowhere"), client.post("/api/chat", {})]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", id) for id in ids)


def test_the_clients_own_id_is_repeated_if_it_is_sane(client) -> None:
    def told(id: str) -> str:
        response = client.get("/health", headers={"x-request-id": id})
        return response.headers["x-request-id"]

    assert told("req_42/a:b+c=d.e-f") == "req_42/a:b+c=d.e-f"
    for strange in ("", "a b", "x" * 129, "a\nb", "ä"):
        assert told(strange) != strange


def test_a_stream_has_an_id_too(client) -> None:
    response = client.chat(stream=True)
    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])
