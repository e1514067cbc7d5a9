"""Messages name the field, and say what msgspec found there."""

from __future__ import annotations

import contextlib
import json
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


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ("{}", "items", "`items` is required."),
        ('{"items": [{}]}', "items[0].name", "`items[0].name` is required."),
        ('{"items": [], "level": 2.5}', "level", "`level`: Expected `float` <= 2.0."),
        ('{"items": [], "level": "x"}', "level", "`level`: Expected `float | null`, got `str`."),
        (
            '{"items": [{"name": ["a"]}]}',
            "items[0].name",
            "`items[0].name`: Expected `str`, got `array`.",
        ),
        (
            '{"items": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}',
            "items",
            "`items`: Expected `array` of length <= 2.",
        ),
        (
            '{"items": [], "text": {}}',
            "text",
            "`text`: Expected `str | array | null`, got `object`.",
        ),
        ('{"items": [], "bias": {"1": "x"}}', "bias", "`bias`: Expected `float`, got `str`."),
        ('{"items": [], "strict": {"x": 1}}', "strict.x", "`strict.x` is not known here."),
        ("[1]", None, "The request body: Expected `object`, got `array`."),
    ],
)
def test_messages(body, param, message):
    with pytest.raises(RequestError) as caught:
        decode(Outer, body.encode())
    assert str(caught.value) == message
    assert caught.value.param == param


def test_an_unknown_field_is_shown_cut_and_with_a_code_of_its_own():
    with pytest.raises(RequestError) as caught:
        decode(Strict, b'{"' + b"x" * 1000 + b'": 1}')
    assert caught.value.code == "unknown_parameter"
    assert len(str(caught.value)) < 100


def test_unknown_nulls_of_an_object_are_left_out_together():
    """However many there are: a large body is not read again for each."""
    nulls = {f"field {number}": None for number in range(300)}
    body = json.dumps({"items": [], "strict": nulls}).encode()
    assert decode(Outer, body).strict is not None


def test_unknown_fields_that_are_null_count_as_left_out():
    body = b'{"items": [], "strict": {"a": null, "depth": 2, "b": null}, "bias": {"x": 1}}'
    decoded = decode(Outer, body)
    assert (decoded.strict, decoded.bias) == (Strict(2), {"x": 1.0})
    with pytest.raises(RequestError, match=r"`strict\.c` is not known here"):
        decode(Outer, b'{"items": [], "strict": {"a": null, "c": 0}}')


def test_unknown_nulls_are_left_out_of_any_number_of_objects():
    body = [{"depth": depth, "no": None} for depth in range(30)]
    assert decode(list[Strict | None], json.dumps(body).encode()) == [
        Strict(depth) for depth in range(30)
    ]


def test_malformed_json_has_a_code_of_its_own():
    with pytest.raises(RequestError, match="not valid JSON") as caught:
        decode(Outer, b'{"items": [')
    assert (caught.value.param, caught.value.code) == (None, "invalid_json")


def test_a_wrong_field_in_front_of_malformed_json_is_still_explained():
    with pytest.raises(RequestError, match=r"`level`: Expected `float \| null`, got `str`"):
        decode(Outer, b'{"level": "x", ')


def test_long_values_are_cut():
    assert len(describe("x" * 1000)) < 50


@given(st.binary(max_size=60))
def test_bytes_are_decoded_or_refused(body):
    with contextlib.suppress(RequestError):
        decode(Outer, body)
