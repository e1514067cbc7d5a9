"""What the fields of a request say about its text reaches the call, and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge_rt.core.decoding import Constraint

SCHEMA = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"const": 1.0}}}
CLOSED = json.dumps({**SCHEMA, "additionalProperties": False})
OPEN = {**SCHEMA, "additionalProperties": True}


def of_format(**fields: Any) -> dict[str, Any]:
    return {"response_format": fields}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        (of_format(type="text"), None),
        (of_format(type="json_object"), Constraint("json_object")),
        (
            of_format(type="json_schema", json_schema={"name": "x", "schema": SCHEMA}),
            Constraint("json_schema", CLOSED, strict=False),
        ),
        (
            of_format(type="json_schema", json_schema={"schema": OPEN}),
            Constraint("json_schema", json.dumps(OPEN), strict=False),
        ),
        (
            of_format(type="json_schema", json_schema={"schema": SCHEMA, "strict": True}),
            Constraint("json_schema", json.dumps(SCHEMA)),
        ),
        (
            of_format(type="json_schema", json_schema={"schema": True, "strict": True}),
            Constraint("json_schema", "true"),
        ),
        (
            of_format(type="json_object", schema=SCHEMA),  # as llama-server takes it
            Constraint("json_schema", CLOSED),
        ),
        (
            of_format(type="json_schema", schema=SCHEMA),
            Constraint("json_schema", CLOSED),
        ),
        (
            {"json_schema": SCHEMA},  # as llama-server takes it, too
            Constraint("json_schema", CLOSED, param="json_schema"),
        ),
        ({"grammar": ""}, None),
        (
            {"grammar": 'root ::= "a" | "b"'},
            Constraint("gbnf", 'root ::= "a" | "b"', param="grammar"),
        ),
        ({"grammar": 'start: "::="'}, Constraint("lark", 'start: "::="', param="grammar")),
        ({"edge": {"regex": "a+"}}, Constraint("regex", "a+", param="edge.regex")),
        (
            {"edge": {"choice": ["yes", "no"]}},
            Constraint("choice", '["yes", "no"]', param="edge.choice"),
        ),
    ],
)
def test_each_field_becomes_a_constraint(client, service, fields, expected) -> None:
    for send in (client.chat, client.complete):
        for stream in (False, True):
            assert send(**fields, stream=stream).status == 200
            assert service.calls[-1].constraint == expected


@pytest.mark.parametrize("send", ["chat", "complete"])
def test_two_fields_that_say_what_the_text_must_be_are_refused(client, service, send) -> None:
    response = getattr(client, send)(grammar='start: "a"', response_format={"type": "json_object"})
    error = response.json()["error"]
    assert (response.status, error["param"]) == (400, "grammar")
    assert "`response_format` and `grammar`" in error["message"]
    assert service.calls == []
