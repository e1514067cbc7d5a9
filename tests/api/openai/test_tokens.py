"""POST /tokenize and /detokenize."""

from __future__ import annotations

from typing import Any

import pytest

BOS = 1


def ids(text: str) -> list[int]:
    """The tokens of the scripted service: one for each byte."""
    return [*text.encode()]


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"content": "Hé"}, ids("Hé")),
        ({"content": "Hi", "add_special": True}, [BOS, *ids("Hi")]),
        ({"content": "", "add_special": None}, []),
    ],
)
def test_a_text_is_cut_into_tokens(client, service, body, tokens) -> None:
    answer = client.post("/tokenize", body | {"model": "smol"})
    assert answer.json() == {"tokens": tokens, "count": len(tokens)}
    assert service.cut[-1][0] == "smol"


def test_control_tokens_in_it_are_tokens_unless_they_are_not_to_be(client, service) -> None:
    client.post("/tokenize", {"content": "<eos>"})
    client.post("/tokenize", {"content": "<eos>", "parse_special": False})
    assert [special for _, _, special, _ in service.cut] == [True, False]


def test_tokens_come_with_what_they_stand_for(client) -> None:
    body = {"content": "Hé", "with_pieces": True}
    pieces = client.post("/tokenize", body).json()["tokens"]
    assert pieces == [
        {"id": 72, "piece": "H"},
        {"id": 195, "piece": [195]},
        {"id": 169, "piece": [169]},
    ]


def test_tokens_are_written_out_as_the_text_that_they_were(client) -> None:
    answer = client.post("/detokenize", {"tokens": ids("Grüße")})
    assert answer.json() == {"content": "Grüße"}


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tokenize", {}, "content"),
        ("/tokenize", {"content": 3}, "content"),
        ("/tokenize", {"content": "x" * (1 << 20) + "y"}, "content"),
        ("/detokenize", {}, "tokens"),
        ("/detokenize", {"tokens": [-1]}, "tokens"),
        ("/detokenize", {"tokens": ["a"]}, "tokens"),
    ],
)
def test_what_is_no_text_is_an_error_that_names_it(client, path, body: Any, param) -> None:
    answer = client.post(path, body)
    assert answer.status == 400, answer.body
    assert answer.json()["error"]["param"].startswith(param)


def test_unknown_fields_are_told(client) -> None:
    headers = client.post("/tokenize", {"content": "a", "pieces": True}).headers
    assert "with_pieces" in headers["x-edge-warning"]
