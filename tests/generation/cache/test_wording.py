"""Texts are taken apart into what a question hangs on."""

from __future__ import annotations

import pytest

from edge_rt.generation.cache.lexicon import Number, stem
from edge_rt.generation.cache.wording import wording


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("It took 3 days.", [("3", "day")]),
        ("It took three days.", [("3", "day")]),
        ("1,200 people and 1200 more", [("1200", ""), ("1200", "")]),
        ("2.50 or 2.5 or 02", [("2.5", ""), ("2.5", ""), ("2", "")]),
        ("twenty-five percent, 25 %, 25 per cent", [("25", "%")] * 3),
        ("two hundred and five", [("205", "")]),
        ("one, two and twenty-one", [("1", ""), ("2", ""), ("21", "")]),
        ("the two-factor theory and a 49-year-old", [("2", ""), ("49", "year")]),
        ("the 127th of 1st", [("127", ""), ("1", "")]),
        ("one million, 1 million and 1000000", [("1000000", "")] * 3),
        ("2.5 million or 2,500,000", [("2500000", "")] * 2),
        ("$5 for 5 dollars", [("5", "$"), ("5", "$")]),
        ("5 km is not 5 miles", [("5", "km"), ("5", "mile")]),
        ("half of the twelfth", [("half", ""), ("12", "")]),
        ("at 10:30 on 2024/05/06", [("10:30", ""), ("2024/05/06", "")]),
        ("salt and pepper", []),
    ],
)
def test_numbers_are_the_same_in_digits_and_words(
    text: str, numbers: list[tuple[str, str]]
) -> None:
    assert list(wording(text).numbers) == [Number(*number) for number in numbers]


@pytest.mark.parametrize(
    ("text", "names", "openers"),
    [
        ("Who wrote War and Peace?", [("war", "peace")], set()),
        ("Tell Alice that Bob left.", [("alice",), ("bob",)], set()),
        ("Paris is large. Is Rome?", [("rome",)], {"paris"}),
        ("The Federal Bureau of Investigation", [("federal", "bureau", "investigation")], set()),
        ("the U.S. and NASA's iPhone", [("us",), ("nasa", "iphone")], set()),
        ("What do I do?", [], set()),
        ("GPU prices", [("gpu",)], set()),
    ],
)
def test_names_have_capital_letters(
    text: str, names: list[tuple[str, ...]], openers: set[str]
) -> None:
    found = wording(text)
    assert (list(found.names), set(found.openers)) == (names, openers)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('Translate "Good day" now', ["good day"]),
        ("Translate 'Good day' and “so long”", ["good day", "so long"]),
        ("It's Bob's and it isn't Ann's", []),
    ],
)
def test_what_stands_in_quotes(text: str, quoted: list[str]) -> None:
    assert list(wording(text).quoted) == quoted


@pytest.mark.parametrize(
    "text",
    [
        "run `rm -rf x`",
        "```\nx = 1\n```",
        "call get_name",
        "see https://a.b/c",
        "x < 3",
        "a.b@c.de",
    ],
)
def test_code_and_addresses_are_seen(text: str) -> None:
    assert wording(text).code
    assert not wording("plain words, nothing else").code


@pytest.mark.parametrize(
    ("text", "wants"),
    [
        ("Is it late?", True),
        ("it is late?", True),
        ("It is raining. Explain why", True),
        ("how do I cook rice", True),
        ("My card has not arrived yet.", False),
    ],
)
def test_questions_and_tasks_want_something(text: str, wants: bool) -> None:
    assert wording(text).wants == wants


@pytest.mark.parametrize(
    "words",
    ["walk walks walked walking", "city cities", "stop stopped stopping", "make makes making"],
)
def test_forms_of_a_word_have_one_stem(words: str) -> None:
    assert len({stem(word) for word in words.split()}) == 1


def test_words_of_one_sense_are_alike_and_others_are_not() -> None:
    assert wording("buy a car").content == wording("purchase the automobile").content
    assert wording("buy a car").content != wording("buy a boat").content


@pytest.mark.parametrize("text", ["", " ", "'", '"', "```", "…", "猫はどこ?", "ß" * 500, "a'b-c.d"])
def test_any_text_can_be_taken_apart(text: str) -> None:
    assert wording(text) == wording(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hi! Please help me. Where is Rome? Thanks.", "where is rome"),
        ("Can you help me?", "can you help me"),
        ("Translate into French: Thank you!", "translate into french thank you"),
        ("Is this the answer? Why?", "is this the answer why"),
        ("`help` I have a question about.", "i have a question about"),
        ("Say it politely. Take your time.", "say it politely"),
    ],
)
def test_politeness_around_a_question_is_left_out(text: str, words: str) -> None:
    assert " ".join(wording(text).words) == words
