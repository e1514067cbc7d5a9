"""Answers on channels are taken apart into thoughts, calls and content."""

from __future__ import annotations

import pytest
from family_templates import FORMATS
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.models.answers.parts import Content, MadeCall, Part, Thought
from edge_rt.models.answers.reader import answer_reader

TOOLS = {"get_time": {}}
THINK = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"
SAY = "<|channel|>commentary<|message|>Let me see.<|end|><|start|>assistant"
CALL = ' to=functions.get_time<|channel|>commentary <|constrain|>json<|message|>{"a": "<|end|>"}'
OTHER = '<|channel|>commentary to=functions.get_time json<|message|>{"a": 1}'
ANSWER = "<|channel|>final<|message|>It is {noon}."
MADE = MadeCall("get_time", '{"a": "<|end|>"}')
PIECES = [
    *(THINK, SAY, CALL, OTHER, ANSWER, "<|end|>", "<|call|>", "<|start|>assistant", "<|", "x"),
    *(" to=get_time", " to=python", "<|channel|>commentary<|message|>", " ", "{", "}", "[1]"),
]


def read(text: str, *cuts: int, tools: dict[str, dict[str, object]] | None = TOOLS) -> list[Part]:
    return joined(text, cuts, tools)


def joined(
    text: str,
    cuts: tuple[int, ...] = (),
    tools: dict[str, dict[str, object]] | None = TOOLS,
    **options: bool,
) -> list[Part]:
    reader = answer_reader(FORMATS["HARMONY"], tools, **options)
    places = sorted({min(cut, len(text)) for cut in cuts})
    parts: list[Part] = []
    for begin, end in zip([0, *places], [*places, len(text)], strict=True):
        parts += reader.push(text[begin:end])
    parts += reader.finish()
    told: list[Part] = []
    for part in parts:
        if told and not isinstance(part, MadeCall) and type(told[-1]) is type(part):
            told[-1] = type(part)(told[-1][0] + part[0])
        else:
            told.append(part)
    return told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (THINK + ANSWER, [Thought("Hm."), Content("It is {noon}.")]),
        (THINK + CALL, [Thought("Hm."), MADE]),
        (CALL, [MADE]),
        (OTHER, [MadeCall("get_time", '{"a": 1}')]),
        (THINK + SAY + CALL, [Thought("Hm."), Content("Let me see."), MADE]),
        (f"{CALL}<|call|><|start|>assistant{ANSWER}", [MADE, Content("It is {noon}.")]),
        ("It goes on.<|end|>", [Content("It goes on.")]),
        ('<|channel|>commentary to=python code<|message|>print("x")<|call|>Hm.', [Content("Hm.")]),
        ("<|channel|>commentary to=get_date code<|message|>{}<|call|>", [Content("{}")]),
        (CALL.replace("functions.", ""), [MADE]),
        (CALL.replace('{"a": "<|end|>"}', "[1]<|call|>"), [Content("[1]")]),
        (CALL.replace('{"a": "<|end|>"}', "{'a'}<|call|>"), [Content("{'a'}")]),
        (f"{CALL} and more", [MADE, Content(" and more")]),
        (f"{ANSWER}<|end|> More.", [Content("It is {noon}. More.")]),
        (f"{ANSWER}<|end|> More.<|start|>assistant{CALL}", [Content("It is {noon}. More."), MADE]),
        (THINK[: len("<|channel|>analysis<|message|>H")], [Thought("H")]),
        (CALL[:-2], []),
        (THINK[:-9] + CALL[:30], [Thought("Hm.")]),
    ],
)
def test_messages_are_told_by_their_headers(text: str, expected: list[Part]) -> None:
    assert read(text) == expected
    assert read(text, *range(len(text))) == expected


def test_a_prompt_may_have_begun_the_thoughts() -> None:
    text = f"Hm.<|end|><|start|>assistant{ANSWER}"
    assert joined(text, opened=True) == [Thought("Hm."), Content("It is {noon}.")]


def test_without_tools_a_call_is_text_like_any_other() -> None:
    assert read(THINK + OTHER, tools=None) == [Thought("Hm."), Content('{"a": 1}')]


def test_one_call_alone_where_several_are_not_wanted() -> None:
    text = f"{CALL}<|call|><|start|>assistant{OTHER}"
    assert joined(text, parallel=False) == [MADE]
    assert len(joined(text)) == 2


@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=5),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_where_the_text_is_cut_changes_nothing(pieces: list[str], cuts: list[int]) -> None:
    text = "".join(pieces)
    assert read(text, *cuts) == read(text)
