"""What verifiers and votes make of texts."""

from __future__ import annotations

import asyncio

import pytest

from edge_rt.generation.samples.judge import (
    Answered,
    Judge,
    calls_vote,
    choice_vote,
    number_vote,
    search,
)
from edge_rt.generation.samples.sandbox import Sandbox
from edge_rt.generation.samples.terms import Accept, SamplesTerms
from edge_rt.models.answers.parts import MadeCall


@pytest.mark.parametrize(
    ("text", "vote"),
    [
        ("So 3 + 4 = 7.", "7"),
        ("#### 1,250", "1250"),
        ("It is -3.50", "-3.5"),
        ("3.00", "3"),
        ("100", "100"),
        ("none", None),
    ],
)
def test_the_last_number_is_the_vote(text: str, vote: str | None) -> None:
    assert number_vote(text) == vote


@pytest.mark.parametrize(
    ("text", "vote"),
    [
        ("B", "B"),
        ("C. Because A is wrong", "C"),
        ("A and B are wrong, so the answer is D.", "D"),
        ("Answer: **B**", "B"),
        ("no idea", None),
    ],
)
def test_the_letter_that_is_named_is_the_vote(text: str, vote: str | None) -> None:
    assert choice_vote(text) == vote


def test_calls_vote_alike_whatever_the_order_and_the_spelling_of_numbers() -> None:
    one = calls_vote([MadeCall("f", '{"a": 1.0, "b": [2, "x"]}')])
    assert one == calls_vote([MadeCall("f", '{"b": [2, "x"], "a": 1}')])
    assert one != calls_vote([MadeCall("f", '{"b": [2, "y"], "a": 1}')])
    assert one != calls_vote([MadeCall("g", '{"b": [2, "x"], "a": 1}')])
    assert calls_vote([]) is None


def test_an_expression_gives_the_last_group_of_its_last_match() -> None:
    texts = ["x=1, x=22", "none", "x=3"]
    assert asyncio.run(search(r"x=(\d+)", texts)) == ["22", None, "3"]
    assert asyncio.run(search(r"x=\d", texts)) == ["x=2", None, "x=3"]


def test_an_expression_that_takes_for_ever_finds_nothing() -> None:
    assert asyncio.run(search(r"(a+)+$", ["a" * 60 + "b", "a"])) is None


@pytest.mark.parametrize(
    ("accept", "text", "ended", "passed"),
    [
        (Accept(schema=True), '{"a": [1]}', True, True),
        (Accept(schema=True), '{"a": [1', True, False),
        (Accept(schema=True), '{"a": [1]}', False, False),
        (Accept(regex="^[a-z]+$"), "abc", True, True),
        (Accept(regex="^[a-z]+$"), "abc1", True, False),
        (Accept(schema=True, regex="a"), '{"b": 1}', True, False),
        (Accept(), "anything", True, True),
        (Accept(), "cut", False, False),
        (None, "anything", True, None),
    ],
)
def test_all_that_is_named_must_hold(
    accept: Accept | None, text: str, ended: bool, passed: bool | None
) -> None:
    judge = Judge(SamplesTerms(accept=accept), None, Sandbox())
    [judged] = asyncio.run(judge.judge([Answered(text, [], ended, "prompt")]))
    assert judged.passed is passed
