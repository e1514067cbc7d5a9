"""Each kind of constraint allows its own texts; errors of compiling name what is at fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from letters import END, Letters

from edge_rt.core.decoding import Constraint
from edge_rt.core.errors import RequestError
from edge_rt.decoding.constraints.compiling import with_tokens
from edge_rt.decoding.constraints.grammars import Grammars

LETTERS = Letters()
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
GBNF = 'root ::= "a" item+\nitem ::= [0-9]{2} | "c"\n'
LARK = 'start: "a" item+\nitem: /[0-9][0-9]/ | "c"\n'


@pytest.fixture(scope="module")
def grammars() -> Iterator[Grammars]:
    made = Grammars(Letters())
    yield made
    made.close()


def accepts(grammars: Grammars, constraint: Constraint, text: str) -> bool:
    matcher = grammars.matcher(constraint)
    for token in LETTERS.tokenize(text, special=False):
        if matcher.over or not matcher.valid([token]):
            return False
        matcher.take(token)
    return matcher.over or matcher.allows(END)


def of_schema(schema: Any, *, strict: bool = True) -> Constraint:
    return Constraint("json_schema", json.dumps(schema), strict)


@pytest.mark.parametrize(
    ("constraint", "right", "wrong"),
    [
        (Constraint("json_object"), ["{}", '{"a": [1, true]}', '{\n  "a": 1\n}'], ["[]", "1", "{"]),
        (
            of_schema(PERSON),
            ['{"name": "a", "age": 1}', '{"name":"a","age":1}'],
            ['{"name": "a"}', '{"age": 1, "name": "a"}', '{"name": "a", "age": "b"}'],
        ),
        (of_schema(True), ["1", "[]"], ["a"]),
        (Constraint("regex", "a+b?"), ["a", "aab"], ["", "b", "abb"]),
        (
            Constraint("choice", '["yes", "no", "\\u00e9\\""]'),
            ["yes", "no", 'é"'],
            ["", "y", "maybe"],
        ),
        (Constraint("gbnf", GBNF), ["a01", "ac12c"], ["a", "a1", "01"]),
        (Constraint("lark", LARK), ["a01", "ac12c"], ["a", "a1", "01"]),
    ],
    ids=lambda value: value.kind if isinstance(value, Constraint) else "",
)
def test_a_constraint_allows_what_it_says(
    grammars: Grammars, constraint: Constraint, right: list[str], wrong: list[str]
) -> None:
    assert [text for text in right if not accepts(grammars, constraint, text)] == []
    assert [text for text in wrong if accepts(grammars, constraint, text)] == []


def test_white_space_has_an_end(grammars: Grammars) -> None:
    assert accepts(grammars, Constraint("json_object"), '{\n    "a": 1\n}')
    assert not accepts(grammars, Constraint("json_object"), '{\n\n\n"a": 1}')


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"not": {"type": "string"}}, "not"),
        (
            {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}},
            "uniqueItems",
        ),
        ({"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"if": {}}}}, "if"),
        ({"anyOf": [{"items": {"type": "string", "pattern": "(?=a)b"}}]}, "(?=a)b"),
        ({"type": "string", "format": "nonsense"}, "format: nonsense"),
    ],
)
def test_what_cannot_be_enforced_is_named(grammars: Grammars, schema: Any, told: str) -> None:
    with pytest.raises(RequestError) as caught:
        grammars.matcher(of_schema(schema))
    assert caught.value.param == "response_format"
    assert "cannot be enforced: " in str(caught.value)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 250


def test_a_pattern_of_many_repetitions_is_enforced_to_the_end(grammars: Grammars) -> None:
    words = {"type": "string", "maxLength": 500, "pattern": r"^(?:\S+\s+){0,49}\S+$"}
    schema = {"type": "array", "items": words}
    for _ in range(2):  # answers share what the lexer has found out
        text = json.dumps(["this is a text of quite some words, " * 5 + "and an end"] * 2)
        assert accepts(grammars, of_schema(schema), text)
        assert not accepts(grammars, of_schema(schema), json.dumps(["a " * 60 + "b"]))


@pytest.mark.parametrize(
    ("draft", "valid"),
    [
        ("http://json-schema.org/draft-07/schema#", True),
        ("https://json-schema.org/draft-07/schema", True),
        ("https://json-schema.org/draft/2020-12/schema", False),
        ("https://example.org/mine", False),
    ],
)
def test_up_to_draft_7_what_stands_beside_a_reference_means_nothing(
    grammars: Grammars, draft: str, valid: bool
) -> None:
    schema = {
        "$schema": draft,
        "properties": {"a": {"$ref": "#/definitions/number", "maximum": 3}},
        "definitions": {"number": {"type": "integer"}},
    }
    assert accepts(grammars, of_schema(schema), '{"a": 9}') == valid
    assert accepts(grammars, of_schema(schema), '{"a": 2}')
    assert not accepts(grammars, of_schema(schema), '{"a": "b"}')


def test_a_schema_that_is_not_strict_goes_without(grammars: Grammars) -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    assert accepts(grammars, of_schema(schema, strict=False), "[1, 1]")
    assert not accepts(grammars, of_schema(schema, strict=False), '["a"]')


def test_a_schema_that_is_not_strict_is_enforced_where_it_can_be(grammars: Grammars) -> None:
    assert not accepts(grammars, of_schema(PERSON, strict=False), '{"name": "a"}')


@pytest.mark.parametrize(
    "constraint",
    [
        Constraint("regex", "a(", param="edge.regex"),
        Constraint("regex", "(?=a)b", param="edge.regex"),
        Constraint("lark", "start: nothing", param="grammar"),
        Constraint("lark", "begin: /a/", param="grammar"),
        Constraint("gbnf", "root ::= nothing", param="grammar"),
        Constraint("gbnf", 'root ::= "a', param="grammar"),
    ],
    ids=lambda value: f"{value.kind} {value.text}",
)
def test_what_is_no_grammar_is_an_error_that_names_the_field(
    grammars: Grammars, constraint: Constraint
) -> None:
    for _ in range(2):  # the error is kept, too
        with pytest.raises(RequestError, match=f"`{constraint.param}`") as caught:
            grammars.matcher(constraint)
        assert caught.value.param == constraint.param


def test_names_of_special_tokens_are_found_outside_of_texts_alone() -> None:
    names = {"<call>": 7, "[CALL]": 8}
    text = (
        'start: <call> "<call>" /<call>/ <plain> <[CALL]> <[OTHER]> <[1-3]> // <call>\n# <call>\n'
    )
    assert with_tokens(text, names) == (
        'start: <[7]> "<call>" /<call>/ "<plain>" <[8]> "[OTHER]" <[1-3]> // <call>\n# <call>\n'
    )


def test_names_within_json_are_texts() -> None:
    text = 'start: %json {"const": "<call>", "pattern": "a\\\\"}'
    assert with_tokens(text, {"<call>": 7}) == text
