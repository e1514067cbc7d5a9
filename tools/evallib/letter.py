"""Questions with choices, which are answered with a letter."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

_ASKED = "Answer with the letter of the right choice alone."
_NAMED = (  # of several such places the last counts
    re.compile(r"(?i:answer|choice|option)\s*(?i:is|:|=)?\W{0,6}([A-Z])\b(?!['\u2019])"),
    re.compile(r"\\boxed\{\W*(?:\\text\{)?\W*([A-Z])\b"),
)
_SHOWN = (  # these count where they all show the same letter
    re.compile(r"(?m)^\W*([A-Z])(?:[.):*\]]|\s*$)"),
    re.compile(r"\(([A-Z])\)"),
)


def put(question: str, choices: Sequence[str]) -> str:
    """The question with its choices, a letter to each, and how to answer."""
    lines = [
        f"{letter}. {choice}" for letter, choice in zip(letters(choices), choices, strict=True)
    ]
    return "\n".join([question.strip(), "", *lines, "", _ASKED])


def letters(choices: Sequence[str]) -> str:
    """Those of so many choices."""
    return string.ascii_uppercase[: len(choices)]


def letter_of(text: str, choices: Sequence[str]) -> str | None:
    """The letter that `text` names, else that of the one choice which it repeats; None: neither."""
    known = letters(choices)
    for pattern in (*_NAMED, *_SHOWN):
        said = [letter for letter in pattern.findall(text) if letter in known]
        if said and (pattern in _NAMED or len({*said}) == 1):
            return said[-1]
    return _repeated(text, choices)


def _repeated(text: str, choices: Sequence[str]) -> str | None:
    said = _words(text)
    found = [
        letter
        for letter, choice in zip(letters(choices), choices, strict=True)
        if (words := _words(choice)) and f" {words} " in f" {said} "
    ]
    return found[0] if len(found) == 1 else None


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
