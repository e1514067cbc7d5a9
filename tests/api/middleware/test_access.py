"""Who may use models, and who may change what counts for all."""

from __future__ import annotations

import hashlib

import pytest

from edge_rt.api.middleware.access import AccessRules, UserIds

KEY, ADMIN = "sk-edge-1", "sk-edge-2"
HASHES = [hashlib.sha256(key.encode()).hexdigest() for key in (KEY, ADMIN)]
TCP = ("127.0.0.1", 8080)
USER, STRANGER = 1000, 1001
MESSAGES = {"messages": [{"role": "user", "content": "Hi"}]}
USING = {
    "/v1/chat/completions": MESSAGES,
    "/v1/completions": {"prompt": "Once"},
    "/v1/embeddings": {"input": "x"},
    "/tokenize": {"content": "x"},
    "/detokenize": {"tokens": [1]},
    "/v1/rerank": {"model": "vec", "query": "x", "documents": ["a", "b"]},
    "/edge/v1/plan": MESSAGES,
}
ADMINISTERING = [
    ("PUT", "/edge/v1/budget", {"power_w": 5}),
    ("POST", "/edge/v1/cache/purge", {}),
    ("POST", "/edge/v1/calibrate", {}),
]
READING = ["/v1/models", "/health", "/metrics", "/edge/v1/status", "/edge/v1/budget"]


@pytest.fixture
def make(make_client):
    """A client of an app that lets those users generate (None: all), and root administrate."""

    def made(users: set[int] | None = None, **options):
        generate = None if users is None else UserIds(frozenset(users))
        access = AccessRules(generate, UserIds(frozenset({0})))
        return make_client(access=access, **options)

    return made


def peer(uid: int) -> dict:
    return {"peer_uid": uid, "peer_groups": frozenset({uid})}


@pytest.mark.parametrize("path", USING)
def test_only_who_is_named_uses_models(make, path) -> None:
    client = make({USER})
    refused = client.post(path, USING[path], state=peer(STRANGER))
    assert refused.status == 403
    assert "access.generate" in refused.json()["error"]["message"]
    assert client.post(path, USING[path], state=peer(USER)).status != 403
    assert client.post(path, USING[path], state=peer(0)).status != 403


@pytest.mark.parametrize(("method", "path", "body"), ADMINISTERING)
def test_only_who_is_named_administrates(make, service, method, path, body) -> None:
    client = make()
    refused = client.request(method, path, body, state=peer(USER))
    assert refused.status == 403
    assert "access.administer" in refused.json()["error"]["message"]
    assert client.request(method, path, body, state=peer(0)).status != 403


@pytest.mark.parametrize("path", READING)
def test_whoever_may_connect_may_look(make, path) -> None:
    assert make({USER}).get(path, state=peer(STRANGER)).status == 200


def test_who_is_not_known_may_look_alone(make) -> None:
    client = make()
    assert client.get("/v1/models").status == 200
    assert client.chat().status == 403


@pytest.mark.parametrize(("method", "path", "body"), ADMINISTERING)
def test_over_tcp_a_key_must_be_one_that_administrates(make, method, path, body) -> None:
    client = make(api_key_sha256=HASHES, admin_key_sha256=HASHES[1:])
    for key, refused in ((KEY, True), (ADMIN, False)):
        headers = {"authorization": f"Bearer {key}"}
        answer = client.request(method, path, body, headers=headers, server=TCP)
        assert (answer.status == 403) is refused


def test_over_tcp_without_a_key_nobody_administrates(make) -> None:
    client, headers = make(), {"host": "localhost"}
    assert client.put("/edge/v1/budget", {}, headers=headers, server=TCP).status == 403
    body = USING["/v1/completions"]
    assert client.post("/v1/completions", body, headers=headers, server=TCP).status == 200
