"""Objects of a schema have no room for properties that it does not name."""

from __future__ import annotations

from copy import deepcopy

import pytest

from edge_rt.generation.tools.schemas import without_others

POINT = {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}
CLOSED = {**POINT, "additionalProperties": False}


def test_objects_are_closed_wherever_they_are() -> None:
    schema = {
        "type": "object",
        "properties": {
            "one": POINT,
            "many": {"type": "array", "items": POINT},
            "either": {"anyOf": [POINT, {"type": "null"}]},
            "shared": {"$ref": "#/$defs/Point"},
            "enum": {"enum": [{"properties": {}}]},
        },
        "$defs": {"Point": POINT},
    }
    before = deepcopy(schema)
    assert without_others(schema) == {
        "type": "object",
        "properties": {
            "one": CLOSED,
            "many": {"type": "array", "items": CLOSED},
            "either": {"anyOf": [CLOSED, {"type": "null"}]},
            "shared": {"$ref": "#/$defs/Point"},
            "enum": {"enum": [{"properties": {}}]},
        },
        "$defs": {"Point": CLOSED},
        "additionalProperties": False,
    }
    assert schema == before


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {**POINT, "additionalProperties": {"type": "string"}},
        {**POINT, "additionalProperties": True},
        {**POINT, "required": ["x", "y"]},
        {"type": "object", "properties": {}, "anyOf": [POINT]},
        {"allOf": [{"$ref": "#/$defs/A"}, POINT], "$defs": {"A": POINT}},
        {**POINT, "required": 3},
        {**POINT, "required": [{}]},
        {"type": "object", "properties": 1},
        {"properties": {"p": True}, "items": False, "patternProperties": {"a": {}}},
    ],
)
def test_schemas_that_need_room_keep_it(schema) -> None:
    assert without_others(schema) == schema


def test_a_schema_may_be_deep() -> None:
    deep: dict = {"type": "object"}
    for _ in range(5000):
        deep = {"properties": {"a": deep}}
    assert without_others(deep)
