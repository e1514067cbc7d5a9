"""A model's text is taken apart into content, thoughts and calls, however it comes in pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest
from family_templates import FORMATS, written
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.chat_format import GENERIC, ChatFormat, ThinkFormat
from edge_rt.models.answers import call_readers
from edge_rt.models.answers.parts import Content, MadeCall, Part, Thought, argument
from edge_rt.models.answers.reader import answer_reader

TOOLS: dict[str, dict[str, Any]] = {
    "get_weather": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "units": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "exact": {"type": "boolean"},
            "more": {"type": "object"},
        },
    },
    "get_time": {},
}
PARIS = {"city": "Paris", "days": 2}
THINK = ThinkFormat("<think>", "</think>")
MARKED = [name for name in FORMATS if FORMATS[name].calls.marker and not FORMATS[name].channels]
CUTS = pytest.mark.parametrize("cuts", [(), tuple(range(400))])
BARE = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
FENCED = """```json
{
  "name": "get_weather",
  "arguments": {"city": "Paris"}
}
```"""
PLAIN_CALL = '{"name": "get_weather", "parameters": {"city": "Paris"}}'
TIME = '{"name": "get_time", "arguments": {}}'
FENCES = {  # what stands in an answer, and what it comes to: calls are named, the rest is content
    f"```json\n{TIME}\n```\n\nThat is it.": ["get_time", "\n\nThat is it."],
    f"```\n{TIME}\n\n{BARE}\n\n```\nDone": ["get_time", "get_weather", "\nDone"],
    f"```json\n{TIME},\n{BARE}\n```": ["get_time", "get_weather"],
    f"```json\n{TIME}\n```\nOr:\n```json\n{BARE}\n```\nDone": [
        *("get_time", "\nOr:", "get_weather", "\nDone")
    ],
    f"```json\n{TIME}\n\n```json\n{BARE}\n```\nDone": ["get_time", "get_weather", "\nDone"],
    f"```json\n{TIME}\n``": ["get_time"],
    f"```python\nx = {{}}\n```\n{TIME}": ["```python\nx = {}\n```", "get_time"],
    f"```python\nx = {{}}\n  ```\n{TIME}": ["```python\nx = {}\n  ```", "get_time"],
    f"```bash\nls\n```\n```json\n{TIME}\n```\nDone": ["```bash\nls\n```", "get_time", "\nDone"],
}
NO_CALLS = [
    f"```python\n{TIME}\n```",
    f'```json\n{{"k": 1}}\n{TIME}\n```',
    f"````json\n{TIME}\n````\nDone",
    f"```\nls\n```\n\n{TIME}\n\n```\nrm x\n```\nDone",
    '```json\n{"name": "get_time", "arguments": {}\n```\nI am sorry.',
    f"```json\xa0{TIME}\n```",
]
PIECES = [
    *("```", "```json", "```python", "`", "\n", "\n\n", " ", ", ", "x", "So:", "{", "}", "\xa0"),
    *(BARE, TIME, '{"k": 1}', "<tool_call>", f"<tool_call>\n{TIME}\n</tool_call>"),
]
BLOCKS = [
    "```python\nx = {}\n```",
    "  ```\n  cd\n  ```",
    "```\nls\n```",
    f"```json\n{TIME}\n```",
    "So {1}.",
    TIME,
]
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
    st.sampled_from(["</tool_call>", '{"name": "x"}', "}\n", "<think>", "a]b", '"', "\\"]),
)
ARGUMENTS = st.dictionaries(st.sampled_from(["city", "units"]), VALUES, max_size=2)
PLAIN = st.text(st.sampled_from('ab <>[]{}|\n"t'), max_size=20)


def read(
    format: ChatFormat,
    text: str,
    *cuts: int,
    tools: dict[str, dict[str, Any]] | None = TOOLS,
    **options: bool,
) -> list[Part]:
    """Return all parts, with what belongs together in one."""
    reader = answer_reader(format, tools, **options)
    places = sorted({min(cut, len(text)) for cut in cuts})
    parts: list[Part] = []
    for begin, end in zip([0, *places], [*places, len(text)], strict=True):
        parts += reader.push(text[begin:end])
    parts += reader.finish()
    joined: list[Part] = []
    for part in parts:
        if joined and not isinstance(part, MadeCall) and type(joined[-1]) is type(part):
            joined[-1] = type(part)(joined[-1][0] + part[0])
        else:
            joined.append(part)
    return joined


def calls(parts: list[Part]) -> list[tuple[str, Any]]:
    return [(part.name, json.loads(part.arguments)) for part in parts if isinstance(part, MadeCall)]


def content(parts: list[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Content))


@pytest.mark.parametrize("name", FORMATS)
def test_calls_are_read_as_their_model_writes_them(name: str) -> None:
    format = FORMATS[name]
    made = [("get_weather", PARIS), ("get_time", {})]
    if format.calls.separator is None:
        made = made[:1]
    parts = read(format, written(format, *made))
    assert calls(parts) == made
    assert content(parts) == ""


@pytest.mark.parametrize("name", MARKED)
def test_text_before_and_behind_calls_is_content(name: str) -> None:
    format = FORMATS[name]
    call = written(format, ("get_weather", PARIS))
    parts = read(format, f"Let me look.\n{call}\nDone.")
    assert calls(parts) == [("get_weather", PARIS)]
    assert content(parts) == "Let me look.\nDone."


@pytest.mark.parametrize("name", FORMATS)
def test_text_without_calls_is_content_as_it_is(name: str) -> None:
    text = " It is 3 < 5 [sure], and {so} on.\n\n"
    assert read(FORMATS[name], text) == [Content(text)]


@pytest.mark.parametrize("name", FORMATS)
def test_an_unfinished_call_is_never_told(name: str) -> None:
    format = FORMATS[name]
    whole = written(format, ("get_weather", PARIS))
    cut = whole[: whole.index("Paris") + 2]
    assert read(format, cut) == []
    if name in MARKED or name == "LLAMA_3":
        assert read(format, f"Well.{cut}") == [Content("Well.")]
    if format.calls.separator is not None:
        two = written(format, ("get_time", {}), ("get_weather", PARIS))
        assert calls(read(format, two[: two.index("Paris") + 2])) == [("get_time", {})]


@CUTS
@pytest.mark.parametrize("text", [BARE, FENCED, f" {BARE}\n", f"{FENCED}\n"])
def test_a_call_without_markers_is_one_at_the_begin_of_an_answer(
    text: str, cuts: tuple[int, ...]
) -> None:
    format = FORMATS["HERMES"]
    assert calls(read(format, text, *cuts)) == [("get_weather", {"city": "Paris"})]
    assert content(read(format, text, *cuts)).strip() == ""
    assert len(calls(read(format, f"{text}\n{text}", *cuts))) == 2
    assert content(read(format, f"{text}\nDone.", *cuts)).strip() == "Done."
    assert read(format, text[: text.index("Paris")], *cuts) == []


@CUTS
@pytest.mark.parametrize(
    "text",
    [
        BARE.replace("get_weather", "other"),
        '{"name": "get_weather", "city": {"a": 1}}',
        '{"city": "Paris"}',
        "```python\nprint(1)\n```",
        "```json\n[1]\n```",
        '{"na',
        "``",
        FENCED.replace("get_weather", "get_other"),
        f"So: {BARE}",
    ],
)
def test_other_json_is_content_as_it_is(text: str, cuts: tuple[int, ...]) -> None:
    assert read(FORMATS["HERMES"], text, *cuts) == [Content(text)]


@CUTS
@pytest.mark.parametrize(
    "text",
    [
        f"Let me {{look}}.\n{PLAIN_CALL}",
        f"Let me {{look}}.\n\n```json\n{PLAIN_CALL}\n```",
        f"Let me {{look}}. {PLAIN_CALL.replace('parameters', 'arguments')}\n",
    ],
)
def test_a_call_in_plain_json_is_one_behind_text(text: str, cuts: tuple[int, ...]) -> None:
    format = FORMATS["LLAMA_3"]
    parts = read(format, text, *cuts)
    assert calls(parts) == [("get_weather", {"city": "Paris"})]
    assert content(parts) == "Let me {look}."
    assert len(calls(read(format, f"{text}; {PLAIN_CALL}", *cuts))) == 2
    cut = read(format, text[: text.index("Paris")], *cuts)
    assert (calls(cut), content(cut).rstrip()) == ([], "Let me {look}.")


@CUTS
@pytest.mark.parametrize("call", [BARE, FENCED])
def test_a_call_without_markers_is_one_at_the_end_of_an_answer(
    call: str, cuts: tuple[int, ...]
) -> None:
    format, paris = FORMATS["HERMES"], ("get_weather", {"city": "Paris"})
    for text in (f"So {{1}}:\n{call}", f"So {{1}}:\n\n{call}\n"):
        parts = read(format, text, *cuts)
        assert (calls(parts), content(parts)) == ([paris], "So {1}:")
        assert calls(read(format, f"{text}\n{call}", *cuts)) == [paris, paris]


@CUTS
def test_a_call_without_markers_and_fence_is_none_before_other_text(cuts: tuple[int, ...]) -> None:
    format = FORMATS["HERMES"]
    for text in (f"So {{1}}:\n{BARE}", f"So {{1}}:\n\n{BARE}\n"):
        assert read(format, f"{text}\nis a call.", *cuts) == [Content(f"{text}\nis a call.")]
        marked = read(format, f"{text}\n{written(format, ('get_time', {}))}", *cuts)
        assert (calls(marked), content(marked)) == ([("get_time", {})], text.rstrip())


@CUTS
@pytest.mark.parametrize("before", ["", "So {1}:\n"])
@pytest.mark.parametrize("name", ["HERMES", "LLAMA_3"])
@pytest.mark.parametrize("text", FENCES)
def test_calls_in_a_fence_are_calls_wherever_they_stand(
    text: str, name: str, before: str, cuts: tuple[int, ...]
) -> None:
    parts = read(FORMATS[name], before + text, *cuts)
    told = [part.name if isinstance(part, MadeCall) else part[0] for part in parts]
    expected = list(FENCES[text])
    if before and expected[0].startswith("```"):  # the content goes on
        expected[0] = before + expected[0]
    elif before:
        expected.insert(0, before.rstrip())
    assert told == expected


@CUTS
@pytest.mark.parametrize("name", ["HERMES", "LLAMA_3"])
@pytest.mark.parametrize("text", NO_CALLS)
def test_other_fences_are_content_as_they_are(text: str, name: str, cuts: tuple[int, ...]) -> None:
    for whole in (f"So:\n{text}", text):
        assert read(FORMATS[name], whole, *cuts) == [Content(whole)]


@CUTS
def test_one_call_only_where_several_are_not_wanted(cuts: tuple[int, ...]) -> None:
    text = f"Both:\n```json\n{TIME}\n{BARE}\n```\nAnd\n```json\n{TIME}\n```"
    parts = read(FORMATS["HERMES"], text, *cuts, parallel=False)
    assert parts == [Content("Both:"), MadeCall("get_time", "{}"), Content("\nAnd")]


@CUTS
def test_fences_before_other_text_may_be_examples(cuts: tuple[int, ...]) -> None:
    text = f"I called:\n```json\n{TIME}\n```"
    for more, calls in (("\nIt is noon.", 0), ("\n", 1)):
        parts = read(FORMATS["HERMES"], text + more, *cuts, fences=False)
        assert sum(isinstance(part, MadeCall) for part in parts) == calls
        assert calls or parts == [Content(text + more)]


@given(
    name=st.sampled_from(["HERMES", "LLAMA_3"]),
    pieces=st.lists(st.sampled_from(PIECES), max_size=9),
    cuts=st.lists(st.integers(0, 400), max_size=12),
    parallel=st.booleans(),
    fences=st.booleans(),
)
def test_where_fences_are_cut_changes_nothing(
    name: str, pieces: list[str], cuts: list[int], parallel: bool, fences: bool
) -> None:
    text, options = "".join(pieces), {"parallel": parallel, "fences": fences}
    assert read(FORMATS[name], text, *cuts, **options) == read(FORMATS[name], text, **options)


@given(blocks=st.lists(st.sampled_from(BLOCKS), max_size=6))
def test_blocks_of_code_keep_both_fences(blocks: list[str]) -> None:
    told = content(read(FORMATS["HERMES"], "\n".join(blocks)))
    assert told.count("```") % 2 == 0
    for kept in BLOCKS[:3]:
        assert told.count(kept) == blocks.count(kept)


@CUTS
@pytest.mark.parametrize(
    "text",
    [
        f"So: {PLAIN_CALL.replace('get_weather', 'other')}",
        'So: {"name": "get_weather", "description": {}}',
        "So: `{}` and ```python\n{1: {}}\n``` ``",
        'So: {"name": "get_weather", "parameters": {"city" "Paris"}} {"name',
    ],
)
def test_other_json_behind_text_is_content_as_it_is(text: str, cuts: tuple[int, ...]) -> None:
    assert read(FORMATS["LLAMA_3"], text, *cuts) == [Content(text)]


@given(
    name=st.sampled_from(sorted(FORMATS)),
    before=PLAIN,
    made=st.lists(st.tuples(st.sampled_from(sorted(TOOLS)), ARGUMENTS), max_size=3),
    behind=PLAIN,
    thought=st.none() | PLAIN,
    cuts=st.lists(st.integers(0, 400), max_size=12),
    end=st.integers(0, 10_000),
)
def test_where_the_text_is_cut_changes_nothing(
    name: str,
    before: str,
    made: list[tuple[str, dict[str, Any]]],
    behind: str,
    thought: str | None,
    cuts: list[int],
    end: int,
) -> None:
    format = ChatFormat(FORMATS[name].calls, THINK)
    text = "" if thought is None else f"<think>\n{thought}\n</think>\n\n"
    text += before + (written(format, *made) if made else "") + behind
    text = text[: end % (len(text) + 1)] if end % 2 else text
    assert read(format, text, *cuts) == read(format, text)


@given(
    name=st.sampled_from([n for n in FORMATS if FORMATS[n].calls.style != "tagged"]),
    arguments=ARGUMENTS,
)
def test_arguments_come_through_whatever_they_hold(name: str, arguments: dict[str, Any]) -> None:
    format = FORMATS[name]
    text = written(format, ("get_weather", arguments))
    assert calls(read(format, text)) == [("get_weather", arguments)]


def test_thoughts_come_before_the_answer() -> None:
    text = "<think>\nParis, then.\n</think>\n\nIt rains."
    format = ChatFormat(GENERIC, THINK)
    expected = [Thought("Paris, then."), Content("It rains.")]
    assert read(format, text) == expected
    assert read(format, text, tools=None) == expected
    assert read(format, text.removeprefix("<think>\n"), tools=None, opened=True) == expected


def test_thoughts_without_an_end_are_thoughts() -> None:
    format = ChatFormat(GENERIC, THINK)
    assert read(format, "Paris </thi", opened=True) == [Thought("Paris </thi")]


def test_a_call_in_thoughts_is_no_call() -> None:
    format = FORMATS["QWEN3"]
    call = written(format, ("get_time", {}))
    assert calls(read(format, f"<think>{call}</think>{call}")) == [("get_time", {})]


def test_without_tools_a_call_is_text() -> None:
    call = written(FORMATS["HERMES"], ("get_time", {}))
    assert read(FORMATS["HERMES"], call, tools=None) == [Content(call)]


def test_a_json_answer_of_a_model_that_marks_no_calls_is_content() -> None:
    for text in ('{"name": "Ada", "parameters": {}}', '{"a": 1}', '{"name": "get_time"'):
        assert read(FORMATS["LLAMA_3"], text) == [Content(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"arguments": {"city": "Paris"}, "name": "get_weather"}', {"city": "Paris"}),
        ('{"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}', {"city": "Paris"}),
        ('{"name": "get_weather", "parameters": {"city": "a\nb"}}', {"city": "a\nb"}),
        ('{"name":"get_weather"}', {}),
        ('{"type": "function", "function": {"name": "get_weather", "arguments": {}}}', {}),
    ],
)
def test_objects_that_models_write_a_little_differently(text: str, expected: object) -> None:
    parts = read(FORMATS["HERMES"], f"<tool_call>{text}</tool_call>")
    assert calls(parts) == [("get_weather", expected)]


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>nothing</tool_call>",
        '<tool_call>{"name": 3}</tool_call>',
        '<tool_call>{"name": "f", "arguments": [1]}</tool_call>',
        '<tool_call>{"name": "f", "arguments": {,}}</tool_call>',
        '<tool_call>{"name": "f", "arguments": "{1}"}</tool_call>',
    ],
)
def test_what_is_no_call_is_content(text: str) -> None:
    assert read(FORMATS["HERMES"], text) == [Content(text)]


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
@pytest.mark.parametrize("name", FORMATS)
def test_arguments_that_are_no_json_are_never_told(name: str, number: str) -> None:
    text = written(FORMATS[name], ("get_weather", {"days": 7654321}))
    assert "7654321" in text
    for part in read(FORMATS[name], text.replace("7654321", number)):
        if isinstance(part, MadeCall):
            json.loads(part.arguments, parse_constant=pytest.fail)


def test_half_a_character_that_an_escape_writes_can_be_sent() -> None:
    call = '{"name": "get_time", "arguments": {"city": "a\\ud83d\\ud83d\\ude00"}}'
    parts = read(FORMATS["HERMES"], f"<tool_call>{call}</tool_call>")
    assert calls(parts) == [("get_time", {"city": "a\ufffd\U0001f600"})]
    named = read(FORMATS["HERMES"], '<tool_call>{"name": "get\\udc00"}</tool_call>')
    assert "get\ufffd".encode() in repr(named).encode()


@pytest.mark.parametrize("name", ["QWEN3_CODER", "GLM"])
def test_the_schema_tells_texts_from_other_values(name: str) -> None:
    format = FORMATS[name]
    told = {"city": "12", "days": 3, "units": "null", "exact": True, "more": {"a": [1]}}
    (made,) = calls(read(format, written(format, ("get_weather", told))))
    assert made[1] == told | {"units": None}


def test_a_schema_with_an_odd_choice_tells_nothing() -> None:
    format = FORMATS["QWEN3_CODER"]
    tools: dict[str, Any] = {"get_time": {"properties": {"city": {"anyOf": 3}}}}
    call = ("get_time", {"city": "Paris"})
    assert calls(read(format, written(format, call), tools=tools)) == [call]


def test_values_may_hold_what_looks_like_the_end() -> None:
    format = FORMATS["QWEN3_CODER"]
    for city in ("a\n</parameter>\nb", "x</function>y", "\n  two\n lines\n", "</tool_call>"):
        told = {"city": city, "days": 1}
        assert calls(read(format, written(format, ("get_weather", told)))) == [
            ("get_weather", told)
        ]


def test_long_values_between_tags_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[int] = []
    find: Any = call_readers._Mark.find

    def noted(mark: object, text: str, at: int) -> object:
        searched.append(len(text) - at)
        return find(mark, text, at)

    monkeypatch.setattr(call_readers._Mark, "find", noted)
    format = FORMATS["QWEN3_CODER"]
    text = written(format, ("get_weather", {"city": "x <y>\n" * 10000}))
    assert len(calls(read(format, text, *range(0, len(text), 20)))) == 1
    assert sum(searched) < 40 * len(text)


def test_many_values_between_tags_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def noted(text: str, schema: object) -> object:
        seen.append(text)
        return argument(text, schema)

    monkeypatch.setattr(call_readers, "argument", noted)
    format, values = FORMATS["QWEN3_CODER"], {f"k{n}": n for n in range(50)}
    text = written(format, ("get_time", values))
    assert calls(read(format, text, *range(len(text)))) == [("get_time", values)]
    assert seen == [str(n) for n in range(50)]


@pytest.mark.parametrize("name", ["HERMES", "QWEN3_CODER", "MISTRAL", "DEEPSEEK"])
def test_a_marker_that_ends_an_answer_tells_nothing(name: str) -> None:
    format = FORMATS[name]
    assert read(format, f"Let me see.\n{format.calls.marker}\n") == [Content("Let me see.\n")]
