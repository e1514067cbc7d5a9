"""Requests that came last are remembered as they were read, by all that they depend on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge_rt.api.asked import LONGEST, MOST, CheckedRequest, RecentRequests, Sent
from edge_rt.api.openai.unsupported import BodyReader

PATH = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Hi"}], "temperature": 0}


def asked(number: int, *, endpoint: str = "chatcmpl", client: str = "uid:1") -> CheckedRequest[int]:
    return CheckedRequest(number, sent=Sent(endpoint, client, b"%d" % number))


def test_a_request_is_known_by_endpoint_client_and_body() -> None:
    recent, one = RecentRequests(), asked(1)
    recent.keep(one)
    assert recent.get(Sent("chatcmpl", "uid:1", b"1")) is one
    for other in (asked(2), asked(1, client="uid:2"), asked(1, endpoint="cmpl")):
        assert other.sent is not None
        assert recent.get(other.sent) is None


def test_those_that_came_last_are_known() -> None:
    recent, first = RecentRequests(), asked(0)
    assert first.sent is not None
    recent.keep(first)
    for number in range(1, MOST + 1):
        assert recent.get(first.sent) is first, number
        recent.keep(asked(number))
    known = [n for n in range(MOST + 1) if recent.get(Sent("chatcmpl", "uid:1", b"%d" % n))]
    assert known == [0, *range(2, MOST + 1)]


def test_long_ones_and_translated_ones_are_not_remembered() -> None:
    recent = RecentRequests()
    bodies = [bytes(LONGEST), bytes(LONGEST + 1)]
    for body in bodies:
        recent.keep(CheckedRequest(0, sent=Sent("chatcmpl", None, body)))
    recent.keep(CheckedRequest(0))
    assert [recent.get(Sent("chatcmpl", None, body)) is None for body in bodies] == [False, True]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that were read."""
    found: list[bytes] = []
    read = BodyReader.read

    def noted(self: Any, body: bytes, warnings: list[str]) -> Any:
        found.append(body)
        return read(self, body, warnings)

    monkeypatch.setattr(BodyReader, "read", noted)
    return found


def test_a_body_that_came_before_is_not_read_again(
    make_client: Any, make_cache: Any, reads: list[bytes]
) -> None:
    client = make_client(cache=make_cache())
    for body in (BODY, BODY, BODY | {"seed": 1}, BODY):
        assert client.post(PATH, body).status == 200
    assert [json.loads(body).get("seed") for body in reads] == [None, 1]


def test_a_purge_forgets_what_was_asked(
    make_client: Any, make_cache: Any, reads: list[bytes]
) -> None:
    client = make_client(cache=make_cache())
    client.post(PATH, BODY)
    assert client.post("/edge/v1/cache/purge", {}).json()["answers"] == 1
    assert "cache" not in client.post(PATH, BODY).json()["edge"]
    assert len(reads) == 2


@pytest.mark.parametrize("off", ["daemon", "request"])
def test_nothing_is_remembered_where_nothing_is_kept(
    make_client: Any, make_cache: Any, reads: list[bytes], off: str
) -> None:
    client = make_client(cache=None if off == "daemon" else make_cache())
    body = BODY | ({"edge": {"cache": "off"}} if off == "request" else {})
    for _ in range(2):
        client.post(PATH, body)
    assert len(reads) == 2
