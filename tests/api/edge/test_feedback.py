"""Answers are marked over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

PATH = "/edge/v1/feedback"
STATE = {"peer_uid": 1000}
CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


def ask(client: Any, path: str = "/v1/chat/completions", **body: Any) -> str:
    sent = (CHAT if "chat" in path else {"prompt": "Hi"}) | {"temperature": 1} | body
    answer = client.post(path, sent, state=STATE)
    assert answer.status == 200
    return (answer.events()[0] if body.get("stream") else answer.json())["id"]


def mark(client: Any, id: str, mark: object, **more: Any) -> Any:
    return client.post(PATH, {"id": id, "mark": mark} | more, state=STATE)


@pytest.mark.parametrize(("said", "number"), [("good", 1.0), ("bad", 0.0), (0.3, 0.3), (1, 1.0)])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_can_be_marked(
    client: Any, service: Any, said: object, number: float, path: str, stream: bool
) -> None:
    id = ask(client, path, stream=stream)
    assert service.calls[0].id == id
    answer = mark(client, id, said, comment="too long")
    assert answer.status == 200
    assert answer.json() == {"id": id, "mark": number, "counted": True, "why": None}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"id": "x", "mark": "fine"}, "mark"),
        ({"id": "x", "mark": 1.5}, "mark"),
        ({"id": "x"}, "mark"),
        ({"mark": "good"}, "id"),
        ({"id": "x", "mark": "good", "user": 1}, "user"),
        ({"id": "nobody", "mark": "good"}, "id"),
    ],
)
def test_what_is_no_mark_is_refused(client: Any, body: dict, param: str) -> None:
    answer = client.post(PATH, body, state=STATE)
    assert answer.status == 400
    assert param in answer.json()["error"]["message"] + str(answer.json()["error"]["param"])


@pytest.mark.parametrize("said", ["great", -0.1, 1.5, None, True])
def test_what_is_no_mark_is_refused_by_its_name(client: Any, said: object) -> None:
    error = mark(client, ask(client), said).json()["error"]
    assert error["param"] == "mark"


@pytest.mark.parametrize(("said", "again"), [("bad", 2), (0.4, 2), (0.5, 1), ("good", 1)])
def test_what_was_marked_bad_is_not_given_again(
    make_client: Any, make_cache: Any, service: Any, said: object, again: int
) -> None:
    client = make_client(cache=make_cache())
    id = ask(client, temperature=0)
    assert mark(client, id, said).status == 200
    ask(client, temperature=0)
    assert len(service.calls) == again


def test_nobody_else_has_an_answer_forgotten(
    make_client: Any, make_cache: Any, service: Any
) -> None:
    client = make_client(cache=make_cache())
    id = ask(client, temperature=0)
    client.post(PATH, {"id": id, "mark": "bad"}, state={"peer_uid": 1001})
    ask(client, temperature=0)
    assert len(service.calls) == 1


def test_another_user_cannot_mark_it(client: Any) -> None:
    id = ask(client)
    answer = client.post(PATH, {"id": id, "mark": "bad"}, state={"peer_uid": 1001})
    assert answer.json()["error"]["code"] == "answer_not_found"


def test_marks_are_counted(client: Any) -> None:
    mark(client, ask(client), "good")
    mark(client, ask(client, "/v1/completions"), "bad")
    text = client.get("/metrics").body.decode()
    assert 'edge_rt_marks_total{mark="good"} 1.0' in text
    assert 'edge_rt_marks_total{mark="bad"} 1.0' in text
