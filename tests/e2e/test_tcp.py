"""The TCP listener, with and without a key."""

from __future__ import annotations

import hashlib
import socket
from urllib.parse import urlsplit

import httpx
import openai
import pytest

KEY = "a key for a test"
HASH = hashlib.sha256(KEY.encode()).hexdigest()


@pytest.fixture(scope="module")
def closed(make_daemon):
    """One that wants a key."""
    daemon = make_daemon(tcp={"listen": "127.0.0.1:0", "api_key_sha256": ["0" * 64, HASH]})
    yield daemon
    daemon.close()


@pytest.fixture(scope="module")
def open_(make_daemon):
    """One that wants none, and therefore serves this machine alone."""
    daemon = make_daemon(tcp={"listen": "127.0.0.1:0"})
    yield daemon
    daemon.close()


@pytest.fixture
def closed_url(closed):
    return closed.url()


@pytest.fixture
def open_url(open_):
    return open_.url()


def test_with_the_key(closed_url):
    with openai.OpenAI(api_key=KEY, base_url=f"{closed_url}/v1", max_retries=0) as sdk:
        answer = sdk.completions.create(
            model="smollm2-135m-instruct", prompt="Hello", max_tokens=4, stream=True
        )
        assert [choice for chunk in answer for choice in chunk.choices][-1].finish_reason


def test_with_another_key(closed_url):
    with (
        openai.OpenAI(api_key=KEY + "x", base_url=f"{closed_url}/v1", max_retries=0) as sdk,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        sdk.models.list()
    assert caught.value.code == "invalid_api_key"


@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/edge/v1/status", "/no"])
def test_without_the_key(closed_url, path):
    answer = httpx.get(closed_url + path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "request_", [b"GET /health HTTP/1.0\r\n\r\n", b"GET http://x/health HTTP/1.1\r\nHost: x\r\n"]
)
def test_monitors_need_no_key(closed_url, request_):
    place = urlsplit(closed_url)
    with socket.create_connection((place.hostname, place.port), timeout=60) as client:
        client.sendall(request_.removesuffix(b"\r\n") + b"\r\nConnection: close\r\n\r\n")
        client.shutdown(socket.SHUT_WR)  # and is answered all the same
        said = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert b" 200 " in said
    assert said.endswith(b'{"status":"ok"}')


def test_the_unix_socket_needs_no_key(closed):
    assert closed.http.get("/v1/models").status_code == 200


def test_neither_key_nor_hash_is_logged(closed):
    assert KEY not in closed.log.read_text()
    assert HASH not in closed.log.read_text()


def test_loopback_without_a_key(open_url):
    with openai.OpenAI(api_key="any", base_url=f"{open_url}/v1", max_retries=0) as sdk:
        answer = sdk.completions.create(model="smollm2-135m-instruct", prompt="Hello", max_tokens=1)
    assert answer.usage.completion_tokens == 1


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "127.0.0.1", "[::1]:80"])
def test_hosts_that_are_this_machine(open_url, host):
    assert httpx.get(f"{open_url}/v1/models", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "10.0.0.1", ""])
def test_hosts_that_are_not(open_url, host):
    answer = httpx.get(f"{open_url}/v1/models", headers={"host": host})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "forbidden"


def test_web_pages_are_not_served(open_url):
    headers = {"origin": "https://evil.example"}
    assert httpx.get(f"{open_url}/v1/models", headers=headers).status_code == 403


def test_other_machines_are_not_served_without_a_key(daemon, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("tcp: {listen: '0.0.0.0:0'}\n")
    result = daemon.run("serve", "--config", str(config), "--socket", str(tmp_path / "s"))
    assert result.returncode == 6
    assert "tcp.api_key_sha256" in result.stderr
