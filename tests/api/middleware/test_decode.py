"""Messages name the field, what fits there and what came."""

from __future__ import annotations

import contextlib
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from edge_rt.api.middleware.decode import decode, describe
from edge_rt.core.errors import RequestError


class Inner(msgspec.Struct):
    name: str


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    depth: int = 0


class Outer(msgspec.Struct):
    items: Annotated[list[Inner], Meta(max_length=2)]
    level: Annotated[float, Meta(ge=0, le=2)] | None = None
    bias: dict[str, float] | None = None
    text: str | list[str] | None = None
    strict: Strict | None = None


DECODER = msgspec.json.Decoder(Outer)


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ("{}", "items", "`items` is required."),
        ('{"items": [{}]}', "items[0].name", "`items[0].name` is required."),
        ('{"items": [], "level": 2.5}', "level", "`level`: expected number <= 2.0, got 2.5."),
        ('{"items": [], "level": "x"}', "level", '`level`: expected number, got "x".'),
        (
            '{"items": [{"name": ["a"]}]}',
            "items[0].name",
            "`items[0].name`: expected string, got an array of length 1.",
        ),
        (
            '{"items": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}',
            "items",
            "`items`: expected array of length <= 2, got an array of length 3.",
        ),
        ('{"items": [], "text": {}}', "text", "`text`: expected string | array, got an object."),
        ('{"items": [], "bias": {"1": "x"}}', "bias", "`bias`: expected number, got string."),
        (
            '{"items": [], "strict": {"dpth": 1}}',
            "strict.dpth",
            "`strict.dpth` is not known here. Did you mean `strict.depth`?",
        ),
        ('{"items": [], "strict": {"x": 1}}', "strict.x", "`strict.x` is not known here."),
        ("[1]", None, "The request body: expected object, got an array of length 1."),
    ],
)
def test_messages(body, param, message):
    with pytest.raises(RequestError) as caught:
        decode(DECODER, body.encode())
    assert str(caught.value) == message
    assert caught.value.param == param


def test_an_unknown_field_is_shown_cut_and_with_a_code_of_its_own():
    with pytest.raises(RequestError) as caught:
        decode(msgspec.json.Decoder(Strict), b'{"' + b"x" * 1000 + b'": 1}')
    assert caught.value.code == "unknown_parameter"
    assert len(str(caught.value)) < 100


def test_malformed_json_has_a_code_of_its_own():
    with pytest.raises(RequestError, match="not valid JSON") as caught:
        decode(DECODER, b'{"items": [')
    assert (caught.value.param, caught.value.code) == (None, "invalid_json")


def test_a_wrong_field_in_front_of_malformed_json_is_still_explained():
    with pytest.raises(RequestError, match="`level`: expected number, got string"):
        decode(DECODER, b'{"level": "x", ')


def test_long_values_are_cut():
    assert len(describe("x" * 1000)) < 50


@given(st.binary(max_size=60))
def test_bytes_are_decoded_or_refused(body):
    with contextlib.suppress(RequestError):
        decode(DECODER, body)


@pytest.mark.parametrize(
    ("path", "fields", "told"),
    [
        (
            "/v1/chat/completions",
            {"reasoning_effort": "much"},
            '`reasoning_effort`: expected "none", "minimal", "low", "medium", "high" or "xhigh", '
            'got "much".',
        ),
        (
            "/v1/chat/completions",
            {"edge": {"think": "much"}},
            '`edge.think`: expected "off", "on" or an object, got "much".',
        ),
        (
            "/v1/chat/completions",
            {"tools": [{"type": "web", "function": {"name": "a"}}]},
            '`tools[0].type`: expected "function", got "web".',
        ),
        (
            "/v1/chat/completions",
            {"samplers": ["top_p", "best"]},
            '`samplers[1]`: expected "penalties", "dry",',
        ),
        ("/api/chat", {"think": "much"}, "`think`: expected true, false,"),
        ("/api/chat", {"think": 3}, "`think`: expected true, false,"),
    ],
)
def test_a_value_that_is_none_of_a_few_is_told_with_those(client, path, fields, told) -> None:
    body = {"model": "smol", "messages": [{"role": "user", "content": "Hi"}], **fields}
    response = client.post(path, body)
    assert response.status == 400
    error = response.json()["error"]
    assert (error if path == "/api/chat" else error["message"]).startswith(told)
