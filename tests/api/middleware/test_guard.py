"""The Unix socket is open, TCP needs a key, or a loopback Host when there is none."""

from __future__ import annotations

import hashlib

import pytest

from edge_rt.core.errors import EngineError

KEY = "sk-edge-1"
HASHES = [hashlib.sha256(key.encode()).hexdigest() for key in ("another", KEY)]
TCP = ("127.0.0.1", 8080)
PATHS = [
    "/v1/models",
    "/metrics",
    "/edge/v1/status",
    "/edge/v1/board",
    "/edge/v1/ledger",
    "/edge/v1/budget",
    "/edge/v1/history",
    "/nowhere",
]


@pytest.mark.parametrize("path", PATHS)
def test_tcp_without_the_key_is_refused_everywhere(make_client, path):
    client = make_client(api_key_sha256=HASHES)
    for value in (None, "", "Bearer", "Bearer wrong", f"Basic {KEY}", KEY, f"Bearer {HASHES[1]}"):
        headers = {"host": "localhost"} | ({} if value is None else {"authorization": value})
        response = client.get(path, headers=headers, server=TCP)
        assert response.status == 401
        assert response.json()["error"]["code"] == "invalid_api_key"
        assert response.headers["www-authenticate"] == "Bearer"


def test_health_needs_no_key_and_tells_nothing_else(make_client, service):
    client = make_client(api_key_sha256=HASHES)
    service.proof = {"status": "ok", "answer": "secret"}
    bare = client.get("/health", headers={"host": "board.lan"}, server=TCP)
    assert (bare.status, bare.json()) == (200, {"status": "ok"})
    known = {"host": "board.lan", "authorization": f"Bearer {KEY}"}
    assert client.get("/health", headers=known, server=TCP).json() == service.proof
    wrong = {"host": "board.lan", "authorization": "Bearer wrong"}
    assert client.get("/health", headers=wrong, server=TCP).status == 401
    service.proof = EngineError("secret")
    bare = client.get("/health", headers={"host": "board.lan"}, server=TCP)
    assert (bare.status, bare.json()["error"]["code"]) == (503, "unhealthy")
    assert b"secret" not in bare.body


def test_health_tells_all_on_the_board_itself_where_there_are_no_keys(client, service):
    service.proof = {"status": "ok", "answer": "a token"}
    here = client.get("/health", headers={"host": "localhost:8080"}, server=TCP)
    assert here.json() == service.proof
    rebound = client.get("/health", headers={"host": "evil.example"}, server=TCP)
    assert rebound.json() == {"status": "ok"}
    foreign = {"host": "localhost:8080", "origin": "https://evil.example"}
    assert client.get("/health", headers=foreign, server=TCP).json() == {"status": "ok"}


def test_http_1_0_without_a_host_is_served_without_a_key(client):
    assert client.get("/health", server=TCP, http_version="1.0").status == 200
    assert client.get("/v1/models", server=TCP, http_version="1.0").status == 200


def test_pages_of_named_origins_may_ask_and_read(make_client):
    panel = "https://panel.example"
    client = make_client(origins=[panel])
    asked = {"host": "localhost", "origin": panel}
    preflight = client.request(
        "OPTIONS",
        "/v1/chat/completions",
        headers=asked
        | {
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization, content-type",
        },
        server=TCP,
    )
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == panel
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    answer = client.get("/v1/models", headers=asked, server=TCP)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == panel
    other = client.get("/v1/models", headers=asked | {"origin": "https://x.example"}, server=TCP)
    assert other.status == 403
    assert "tcp.origins" in other.json()["error"]["message"]
    assert "access-control-allow-origin" not in other.headers


def test_tcp_with_the_key_is_served_under_any_host(make_client):
    client = make_client(api_key_sha256=HASHES)
    headers = {"authorization": f"bearer {KEY}", "host": "board.lan:8080"}
    assert client.get("/v1/models", headers=headers, server=("10.0.0.5", 8080)).status == 200


def test_the_unix_socket_needs_no_key(make_client):
    client = make_client(api_key_sha256=HASHES)
    assert client.get("/v1/models", headers={"host": "anything"}).status == 200


def test_an_unknown_address_counts_as_tcp(make_client):
    client = make_client(api_key_sha256=HASHES)
    assert client.get("/v1/models", server=None).status == 401


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.0.0.5", "[::1]:8080", "[::1]"]
)
def test_loopback_hosts_are_served_without_a_key(client, host):
    assert client.get("/v1/models", headers={"host": host}, server=TCP).status == 200


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.5:8080",
        "0.0.0.0",
        "[::",
        "localhost@evil.example",
        "evil.example#localhost",
    ],
)
def test_other_hosts_are_refused_without_a_key(client, host):
    headers = {} if host is None else {"host": host}
    response = client.get("/v1/models", headers=headers, server=TCP)
    assert response.status == 403
    assert response.json()["error"]["code"] == "forbidden"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 200),
        ("http://127.0.0.1", 200),
        ("https://evil.example", 403),
        ("null", 403),
        ("chrome-extension://abc", 403),
    ],
)
def test_web_pages_of_other_sites_are_refused_without_a_key(client, origin, status):
    headers = {"host": "localhost:8080", "origin": origin}
    assert client.get("/v1/models", headers=headers, server=TCP).status == status


def test_a_body_of_two_lengths_is_refused(client):
    headers = {"transfer-encoding": "chunked", "content-length": "2"}
    response = client.post("/v1/completions", b"{}", headers=headers)
    assert response.status == 400
    assert response.headers["connection"] == "close"
    assert response.json()["error"]["code"] == "invalid_http"


@pytest.mark.parametrize("path", [*PATHS, "/edge/v1/events", "/openapi.json"])
def test_what_a_page_of_another_site_embeds_is_refused_without_a_key(client, path):
    embedded = {
        "host": "localhost:8080",
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "no-cors",
    }
    response = client.get(path, headers=embedded, server=TCP)
    assert response.status == 403
    assert "Sec-Fetch-Site" in response.json()["error"]["message"]


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none", None])
def test_what_is_typed_or_comes_from_this_machine_is_served(client, site):
    headers = {"host": "localhost:8080"} | ({} if site is None else {"sec-fetch-site": site})
    assert client.get("/v1/models", headers=headers, server=TCP).status == 200


def test_pages_that_name_themselves_are_judged_by_that(make_client):
    client = make_client(origins=["https://panel.example"])
    asked = {"host": "127.0.0.1:8080", "sec-fetch-site": "cross-site"}
    for origin in ("https://panel.example", "http://localhost:3000"):
        assert (
            client.get("/v1/models", headers=asked | {"origin": origin}, server=TCP).status == 200
        )


def test_a_link_on_a_page_of_another_site_leads_to_the_page(client):
    headers = {
        "host": "localhost:8080",
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
    }
    assert client.get("/", headers=headers, server=TCP).status == 200
    assert client.get("/edge/v1/status", headers=headers, server=TCP).status == 403
    for path, dest, status in (
        ("/edge/v1/status", "document", 200),
        ("/edge/v1/status", "iframe", 403),
        ("/edge/v1/status", "embed", 403),
    ):
        asked = headers | {"sec-fetch-dest": dest}
        assert client.get(path, headers=asked, server=TCP).status == status


def test_with_a_key_a_browser_may_be_anywhere(make_client):
    client = make_client(api_key_sha256=HASHES)
    headers = {
        "host": "board.lan",
        "sec-fetch-site": "cross-site",
        "authorization": f"Bearer {KEY}",
    }
    assert client.get("/v1/models", headers=headers, server=TCP).status == 200
