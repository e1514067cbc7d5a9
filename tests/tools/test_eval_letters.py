"""Questions with choices."""

from __future__ import annotations

import pytest
from evallib.result import letter_of, put

CHOICES = ("the sun", "a comet", "the moon", "a small star")


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
