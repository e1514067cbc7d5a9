"""Requests that are wrong in every way get an error, and never harm the daemon."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

BATCH = 10  # requests at once
PATIENCE_S = 0.25  # then the client sends no more, and what is not complete is over
HANG_S = 5.0

MESSAGES = [{"role": "user", "content": "Hi"}]
CHAT = {"model": "default", "messages": MESSAGES, "max_tokens": 1, "temperature": 0, "stop": ["x"]}
BASES: list[tuple[str, str, Any]] = [
    ("POST", "/v1/chat/completions", CHAT),
    ("POST", "/v1/chat/completions", CHAT | {"stream": True, "edge": {"mode": "lookup"}}),
    ("POST", "/v1/completions", {"prompt": "Once", "max_tokens": 1, "logit_bias": {"5": 1}}),
    ("POST", "/v1/completions", {"prompt": [[1, 2], [3]], "max_tokens": 1, "n": 2}),
    ("POST", "/v1/embeddings", {"input": ["a", "b"], "dimensions": 8}),
    ("POST", "/tokenize", {"content": "a", "with_pieces": True}),
    ("POST", "/detokenize", {"tokens": [1, 2]}),
    ("POST", "/v1/rerank", {"query": "a", "documents": ["b", {"text": "c"}]}),
    ("POST", "/edge/v1/plan", CHAT),
    ("PUT", "/edge/v1/budget", {"energy_period": "day"}),
    ("POST", "/edge/v1/cache/purge", {"model": "x", "older_s": 1e9}),
    ("GET", "/v1/models/smollm2-135m-instruct", None),
    ("GET", "/edge/v1/ledger?days=3&last=2", None),
    ("GET", "/edge/v1/history?since=10", None),
    ("GET", "/edge/v1/trace/chatcmpl-1", None),
    ("GET", "/edge/v1/status", None),
    ("GET", "/metrics", None),
]
ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(
        [2**63, -(2**64), 10**30, 1e308, 0, -1, "", "\0", "../../etc/passwd", "\ud7ff"]
    ),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from([[], {}, [[]], {"": {}}, ["x"] * 3000, {"x": {"x": {"x": []}}}]),
    st.integers(1, 3000).map(
        lambda depth: json.loads("[" * min(depth, 300) + "]" * min(depth, 300))
    ),
)
HEADERS = [
    "Content-Length: 5",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Content-Length: 4194305",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Expect: 100-continue",
    "Connection: close, Upgrade",
    "Upgrade: websocket",
    "Content-Type: application/zip",
    "Content-Encoding: gzip",
    "Host: a\tb",
    "X: " + "y" * 70_000,
    "Authorization: Bearer x",
    " folded",
    "no colon",
    "B\x01d: x",
    ": nameless",
]
PATHS = ["/", "//", "/../../etc/passwd", "/%2e%2e/%00", "/v1/models/../x", "/é", "*", "http://x/v1"]


@st.composite
def bodies(draw, document: Any) -> bytes:
    """The document with one place of it changed, as JSON that may be cut or repeated."""
    document = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(0, 3))):
        at = document
        while isinstance(at, (dict, list)) and at:
            keys = list(at) if isinstance(at, dict) else range(len(at))
            key = draw(st.sampled_from(list(keys)))
            if not isinstance(at[key], (dict, list)) or draw(st.booleans()):
                break
            at = at[key]
        if not isinstance(at, (dict, list)) or not at:
            break
        kind = draw(st.sampled_from(["replace", "remove", "add"]))
        if kind == "replace":
            at[key] = deepcopy(draw(ODD))  # which may be changed again
        elif kind == "remove":
            del at[key]
        elif isinstance(at, dict):
            at[draw(st.text(max_size=8))] = deepcopy(draw(ODD))
    return json.dumps(document).encode()


@st.composite
def mutated(draw) -> bytes:
    """A request that may be wrong in its document, its head, or any of its bytes."""
    method, path, document = draw(st.sampled_from(BASES))
    body = b"" if document is None else draw(bodies(document))
    if draw(st.integers(0, 4)) == 0:
        path = draw(st.sampled_from(PATHS) | st.text(max_size=30).map("/v1/models/{}".format))
    if draw(st.integers(0, 9)) == 0:
        method = draw(st.sampled_from(["HEAD", "OPTIONS", "DELETE", "get", "", "A" * 300, "P T"]))
    lines = [f"{method} {path} HTTP/{draw(st.sampled_from(['1.1'] * 9 + ['1.0', '2.0', '']))}"]
    lines += ["Host: localhost", "Connection: close", f"Content-Length: {len(body)}"]
    if draw(st.integers(0, 2)) == 0:
        lines.insert(draw(st.integers(1, len(lines))), draw(st.sampled_from(HEADERS)))
    raw = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 4]))):
        begin = draw(st.integers(0, len(raw)))
        end = min(len(raw), begin + draw(st.integers(0, 8)))
        raw = raw[:begin] + draw(st.binary(max_size=8)) + raw[end:]
    return raw


def answer(path: str, raw: bytes) -> bytes:
    """Return what comes of a request until the connection closes; raise TimeoutError at a hang."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(HANG_S)
        connection.connect(path)
        got = b""
        try:
            connection.sendall(raw)
            connection.settimeout(PATIENCE_S)
            with suppress(TimeoutError):
                while piece := connection.recv(65_536):
                    got += piece
                return got
            connection.settimeout(HANG_S)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                got += piece
        except (BrokenPipeError, ConnectionResetError):
            pass  # it did not want to read all of that
        return got


def check(raw: bytes, got: bytes) -> bool:
    """Return whether an answer came: of the client's fault, or to what was right all the same."""
    while got.startswith(b"HTTP/1.1 100 "):
        _, _, got = got.partition(b"\r\n\r\n")
    if not got:
        return False  # it was not complete, or nobody waited for it
    status = int(got.split(None, 2)[1])
    head, _, body = got.partition(b"\r\n\r\n")
    assert status < 500 or status == 503, (raw, got)
    if status == 503:
        assert b"retry-after" in head.lower(), (raw, got)
    if status >= 400 and not raw.startswith(b"HEAD"):
        document, _ = json.JSONDecoder().raw_decode(body.decode())
        assert document["error"]["message"], (raw, got)
    return True


def mutate(daemon, requests: int, begin: int) -> None:
    """Send so many, which are others for each `begin`."""
    answered: list[bool] = []
    pid, lines = daemon.process.pid, len(daemon.log.read_text().splitlines())

    @seed(begin)
    @settings(
        max_examples=requests // BATCH,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(mutated(), min_size=BATCH, max_size=BATCH))
    def run(raws: list[bytes]) -> None:
        for raw, got in zip(raws, pool.map(send, raws), strict=True):
            answered.append(check(raw, got))

    def send(raw: bytes) -> bytes:
        return answer(str(daemon.socket), raw)

    with ThreadPoolExecutor(BATCH) as pool:
        run()
    assert sum(answered) > requests / 2
    assert daemon.process.poll() is None
    assert daemon.process.pid == pid
    daemon.http.put("/edge/v1/budget", json={"power_w": None, "temp_c": None, "energy_j": None})
    assert daemon.complete("Hello", max_tokens=1)
    assert daemon.engine()["restarts"] == 0
    log = daemon.log.read_text().splitlines()[lines:]
    assert not [line for line in log if line.startswith(("ERROR", "CRITICAL", "Traceback"))], log


@pytest.fixture(scope="module")
def narrow(make_daemon):
    """A daemon whose answers cannot be long."""
    daemon = make_daemon(engine={"context": 128, "sequences": 8, "threads": 1, "batch": 128})
    daemon.complete("Hello", max_tokens=1)
    yield daemon
    daemon.close()


@pytest.mark.slow
def test_some_mutated_requests(narrow):
    mutate(narrow, 240, 0)


@pytest.mark.whole
@pytest.mark.parametrize("begin", range(1, 5))
def test_ten_thousand_mutated_requests(narrow, begin):
    """All four together are."""
    mutate(narrow, 2_500, begin)
