"""The grammars of answers with calls: what they let through, and what they force."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import llguidance
import pytest
from family_templates import FORMATS, written
from grammar_samples import WIDE, Model, sampled
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edge_rt.core.chat_format import GENERIC, ChatFormat, ThinkFormat
from edge_rt.generation.tools.grammar import CallRules, FreeText, grammar, token_name
from edge_rt.models.answers.parts import Content, MadeCall
from edge_rt.models.answers.reader import answer_reader

TOOLS: dict[str, dict[str, Any]] = {
    "get_weather": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
    "get_time": {},
}
PARIS = ("get_weather", {"city": "Paris", "days": 2})
NOW: tuple[str, dict[str, Any]] = ("get_time", {})
THINK = ThinkFormat("<think>", "</think>")
FENCED = """```json
{
  "name": "get_weather",
  "arguments": {
    "city": "Paris",
    "days": 2
  }
}
```"""
BARE = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
CITY = '"city": "Paris"'


def fits(format: ChatFormat, rules: CallRules | None, text: str, **more: Any) -> bool:
    """Return whether an answer may be that text, as a whole."""
    model = Model(format.control)
    source = grammar(format, rules, **more)
    for name, id in model.names.items():
        source = source.replace(token_name(name), f"<[{id}]>")
    matcher = llguidance.LLMatcher(model.tokenizer, source, log_level=0)
    assert not matcher.is_error(), (matcher.get_error(), source)
    tokens = model.cut(text)
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


@pytest.mark.parametrize("name", FORMATS)
def test_calls_in_the_models_own_format_fit(name: str) -> None:
    format = FORMATS[name]
    calls = [PARIS] if format.calls.separator is None else [PARIS, NOW]
    for required in (False, True):
        assert fits(format, CallRules(TOOLS, required), written(format, *calls))


@pytest.mark.parametrize("name", FORMATS)
def test_calls_against_their_schema_do_not(name: str) -> None:
    format, rules = FORMATS[name], CallRules(TOOLS)
    for call in (
        ("get_weather", {}),
        ("get_weather", {"days": 2}),
        ("get_weather", {"city": "Paris", "days": "two"}),
        ("get_weather", {"city": "Paris", "more": 1}),
        ("get_rain", {"city": "Paris"}),
    ):
        assert not fits(format, rules, written(format, call))
    cut = written(format, PARIS)
    assert not fits(format, rules, cut[: cut.index("Paris")])


@pytest.mark.parametrize("name", [name for name in FORMATS if not FORMATS[name].channels])
def test_text_is_free_unless_calls_are_required(name: str) -> None:
    text = "It is 3 < 5, so {sure} [yes].\n"
    assert fits(FORMATS[name], CallRules(TOOLS), text)
    assert not fits(FORMATS[name], CallRules(TOOLS, required=True), text)


@pytest.mark.parametrize(
    "name", [name for name, one in FORMATS.items() if one.calls.marker and not one.channels]
)
def test_text_may_come_before_a_call(name: str) -> None:
    format = FORMATS[name]
    assert fits(format, CallRules(TOOLS), f"Let me look.\n{written(format, PARIS)}")


def test_a_call_in_plain_json_keeps_to_its_schema_behind_text() -> None:
    format, rules = FORMATS["LLAMA_3"], CallRules(TOOLS)
    for text in ("Let me look:\n", 'Like {"name": "Bob"} or {"name": "get_weather"}: '):
        assert fits(format, rules, text + written(format, PARIS))
        assert fits(format, rules, text + written(format, NOW))
        for arguments in ({}, {"city": 1}, {"city": "Paris", "more": 1}):
            assert not fits(format, rules, text + written(format, ("get_weather", arguments)))
        assert not fits(format, rules, f"{text}{written(format, PARIS)} Done.")
        assert fits(format, rules, text + written(format, ("get_rain", {"more": 1})))
    assert not fits(format, CallRules(TOOLS, required=True), f"So: {written(format, PARIS)}")


@pytest.mark.parametrize("call", [FENCED, BARE])
def test_a_call_without_markers_keeps_to_its_schema_at_the_begin(call: str) -> None:
    format, rules = FORMATS["HERMES"], CallRules(TOOLS)
    single, worse = CallRules(TOOLS, parallel=False), call.replace(CITY, '"city": 1')
    for more in ("", "\n", f"\n{call}", "\nDone.", f"\n{written(format, NOW)}"):
        assert fits(format, rules, call + more)
        assert fits(format, single, call + more) == (more in ("", "\n"))
        assert not fits(format, rules, worse + more)
    assert not fits(format, rules, call.replace(CITY, f'{CITY}, "more": 1'))
    assert not fits(format, rules, f"{call}\n{worse}")
    assert fits(format, rules, f"So: {worse}")
    assert fits(format, rules, worse.replace("get_weather", "get_rain"))


@pytest.mark.parametrize("name", FORMATS)
def test_one_call_alone_where_several_are_not_wanted(name: str) -> None:
    format = FORMATS[name]
    rules = CallRules(TOOLS, parallel=False)
    assert fits(format, rules, written(format, PARIS))
    assert not fits(format, rules, written(format, PARIS, NOW))


@pytest.mark.parametrize("name", ["HERMES", "DEEPSEEK", "MISTRAL"])
def test_thoughts_come_first(name: str) -> None:
    format = ChatFormat(FORMATS[name].calls, THINK, FORMATS[name].control)
    call, rules = written(format, PARIS), CallRules(TOOLS, required=True)
    assert fits(format, rules, f"<think>\nHmm.</think>\n\n{call}")
    assert fits(format, rules, f"\nHmm.</think>\n\n{call}", opened=True)
    assert not fits(format, rules, call, opened=True)
    assert fits(format, CallRules(TOOLS), "<think>\nHmm.</think>\n\nYes.")


def test_an_answer_in_json_may_think_and_call() -> None:
    format, json = ChatFormat(GENERIC, THINK), FreeText({"type": "object", "required": ["a"]})
    for rules in (None, CallRules(TOOLS)):
        assert fits(format, rules, '<think>Hm</think>{"a": 1}', free=json)
        assert not fits(format, rules, '{"b": 1}', free=json)
        assert not fits(format, rules, "Yes.", free=json)
    assert fits(format, CallRules(TOOLS), written(format, NOW), free=json)


@pytest.mark.parametrize("name", ["QWEN3_CODER", "GLM"])
@pytest.mark.parametrize(
    "kind",
    [
        {"type": "string"},
        {"type": ["string", "null"]},
        {"anyOf": [{"type": "null"}, {"type": "string"}]},
        {"enum": ["oslo", "rome"]},
    ],
)
def test_texts_between_markers_have_no_quotes(name: str, kind: dict[str, Any]) -> None:
    rules = CallRules({"f": {"properties": {"a": kind}, "required": ["a"]}})
    text = written(FORMATS[name], ("f", {"a": "oslo"}))
    assert fits(FORMATS[name], rules, text)
    reader = answer_reader(FORMATS[name], rules.tools)
    assert [*reader.push(text), *reader.finish()] == [MadeCall("f", '{"a": "oslo"}')]


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        ({"required": ["id"]}, {"id": 7}),
        ({"properties": {"a": {"type": "string"}}, "required": ["id"]}, {"id": 7}),
        ({"allOf": [{"properties": {"id": {"type": "integer"}}, "required": ["id"]}]}, {"id": 7}),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"id": {}}}}}, {"id": 7}),
        ({"patternProperties": {"^i": {"type": "integer"}}}, {"id": 7}),
        ({"minProperties": 1}, {"id": 7}),
        ({"additionalProperties": {"type": "integer"}}, {"id": 7}),
    ],
)
def test_arguments_that_the_properties_do_not_name_fit_where_the_schema_needs_them(
    schema: dict[str, Any], arguments: dict[str, Any]
) -> None:
    rules = CallRules({"f": {"type": "object", **schema}})
    assert fits(FORMATS["HERMES"], rules, written(FORMATS["HERMES"], ("f", arguments)))


@given(
    name=st.sampled_from(sorted(FORMATS)),
    city=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6),
)
def test_every_text_may_be_an_argument(name: str, city: str) -> None:
    assert fits(
        FORMATS[name], CallRules(TOOLS), written(FORMATS[name], ("get_weather", {"city": city}))
    )


@settings(settings.get_profile("short"), suppress_health_check=[HealthCheck.filter_too_much])
@given(name=st.sampled_from(sorted(FORMATS)), seed=st.integers(0, 2**32))
def test_what_the_grammar_lets_through_reads_back(name: str, seed: int) -> None:
    format, rules = FORMATS[name], CallRules(WIDE, required=True)
    text = sampled(replace(format, thinking=None), rules, seed)
    assume(text is not None)
    assert text is not None
    reader = answer_reader(format, WIDE)
    parts = [*reader.push(text), *reader.finish()]
    made = [part for part in parts if isinstance(part, MadeCall)]
    assert made, text
    assert not any(isinstance(part, Content) and part.text.strip() for part in parts), text
    for call in made:
        jsonschema.validate(json.loads(call.arguments), WIDE[call.name])
