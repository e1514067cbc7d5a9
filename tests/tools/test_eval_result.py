"""What answers give as their result: a number, a box, the letter of a choice."""

from __future__ import annotations

from fractions import Fraction

import pytest
from evallib.result import last_boxed, last_number, letter_of, put, same_number
from hypothesis import given
from hypothesis import strategies as st

CHOICES = ("the sun", "a comet", "the moon", "a small star")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("So she has 7 left.\n#### 7", "7"),
        ("#### $1,234.50 in all", "1234.50"),
        ("2 of them are 9 each, so 18 in all.", "18"),
        ("**18**", "18"),
        ("The result is \\boxed{42} after 3 steps.", "42"),
        ("\\boxed{}\nIt is 5", "5"),
        ("She owes him -12", "-12"),
        ("x = -3", "-3"),
        ("12 - 3", "3"),
        ("x - 3", "3"),
        ("12-3", "3"),
        ("It costs $3/4.", "3/4"),
        ("It is .5 of that", "0.5"),
        ("1,000,000 people", "1000000"),
        ("They are 4 and 12.", "12"),
        ("That is 75%", "75"),
        ("#### five, that is 3 and 2", "2"),
        ("A sum of \u22124", "-4"),
    ],
)
def test_the_last_number_is_found(text: str, number: str) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize("text", ["", "no idea", "####", "x2y", "1/0 of nothing"])
def test_what_is_no_number_equals_none(text: str) -> None:
    assert not same_number(last_number(text), "0")


@pytest.mark.parametrize(
    ("a", "b"), [("18", "18.0"), ("18.00", "18"), ("1/2", "0.5"), ("007", "7"), ("-0", "0")]
)
def test_numbers_are_compared_by_value(a: str, b: str) -> None:
    assert same_number(a, b)


@given(st.integers(-(10**9), 10**9), st.integers(0, 99))
def test_any_number_is_read_however_it_is_written(whole: int, cents: int) -> None:
    value = Fraction(f"{whole}.{cents:02}")
    for written in (f"{whole}.{cents:02}", f"{whole:,}.{cents:02}"):
        assert same_number(last_number(f"3 of 4 make\n#### ${written}."), str(value))
        assert same_number(last_number(f"it makes {written}"), str(value))


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("\\boxed{1} and \\boxed{2}", "2"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed 7", "7"),
        ("\\fbox{x}", "x"),
        ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"),
        ("\\boxed{1} \\boxed{2", "1"),
        ("nothing", None),
        ("\\boxed", None),
    ],
)
def test_the_last_whole_box_counts(text: str, content: str | None) -> None:
    assert last_boxed(text) == content


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("C", "C"),
        ("C.", "C"),
        ("C. the moon", "C"),
        ("(B)", "B"),
        ("**D**", "D"),
        ("The answer is B.", "B"),
        ("The correct answer is: **B**", "B"),
        ("Answer: (D) a small star", "D"),
        ("The correct option is A, not B.", "A"),
        ("First I thought the answer is A. No, the answer is C.", "C"),
        ("A planet has one, so it must be (C)", "C"),
        ("It is the moon.", "C"),
        ("\\boxed{B}", "B"),
        ("Let me see.\nD) a small star", "D"),
    ],
)
def test_the_letter_is_read_from_what_models_say(text: str, letter: str) -> None:
    assert letter_of(text, CHOICES) == letter


@pytest.mark.parametrize(
    "text", ["", "I do not know", "Z", "the sun or the moon", "A. no\nB. no\nC. no\nD. no"]
)
def test_what_names_no_choice_or_several_is_none(text: str) -> None:
    assert letter_of(text, CHOICES) is None


def test_a_letter_beyond_the_choices_does_not_count() -> None:
    assert letter_of("E", CHOICES) is None
    assert letter_of("E", (*CHOICES, "nothing")) == "E"


def test_a_question_shows_every_choice_with_its_letter() -> None:
    shown = put("What shines? ", CHOICES)
    assert shown.startswith(
        "What shines?\n\nA. the sun\nB. a comet\nC. the moon\nD. a small star\n"
    )
