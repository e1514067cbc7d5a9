"""What answers give as their result: a number, the letter of a choice, what stands in a box."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from fractions import Fraction

_BOX = re.compile(r"\\(?:boxed|fbox)\s*")
_NUMBER = re.compile(
    r"(?<![\w.])[-\u2212]?\s?\$?\s?(\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(\.\d+)?(?:/(\d+))?"
)
_MARKED = re.compile(r"####(.*)")
_ASKED = "Answer with the letter of the right choice alone."
_NAMED = (  # of several such places the last counts
    re.compile(r"(?i:answer|choice|option)\s*(?i:is|:|=)?\W{0,6}([A-Z])\b(?!['\u2019])"),
    re.compile(r"\\boxed\{\W*(?:\\text\{)?\W*([A-Z])\b"),
)
_SHOWN = (  # these count where they all show the same letter
    re.compile(r"(?m)^\W*([A-Z])(?:[.):*\]]|\s*$)"),
    re.compile(r"\(([A-Z])\)"),
)


def last_boxed(text: str) -> str | None:
    r"""The content of the last \boxed or \fbox that is complete; None where there is none."""
    for found in reversed(list(_BOX.finditer(text))):
        if (content := _argument(text, found.end())) is not None:
            return content
    return None


def _argument(text: str, at: int) -> str | None:
    """The argument of a command that ends at `at`: what is in braces, or one character."""
    if at >= len(text):
        return None
    if text[at] != "{":
        return text[at]
    end = closing(text, at)
    return None if end is None else text[at + 1 : end]


def closing(text: str, at: int) -> int | None:
    """Return where the brace is that closes the one at `at`; None where nothing does."""
    depth = 0
    for place in range(at, len(text)):
        if place and text[place - 1] == "\\":
            continue  # \{ and \} are shown, not obeyed
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return None


def last_number(text: str) -> str | None:
    """The number that `text` gives as its result, without separators; None: it has none.

    That is what follows the last "####", else what is in the last box, else the last number.
    """
    marked = _MARKED.findall(text)
    for part in (marked[-1] if marked else None, last_boxed(text), text):
        if part is not None and (found := _numbers(part)):
            return found[-1]
    return None


def value_of(number: str) -> Fraction | None:
    """Its exact value; None where it has none, such as 1/0."""
    try:
        return Fraction(number)
    except (ValueError, ZeroDivisionError):
        return None


def same_number(a: str | None, b: str) -> bool:
    """Return whether both have the same value."""
    return a is not None and (value := value_of(a)) is not None and value == value_of(b)


def _numbers(text: str) -> list[str]:
    return [_plain(found) for found in _NUMBER.finditer(text) if found[1] or found[2]]


def _plain(found: re.Match[str]) -> str:
    sign = "-" if found[0].lstrip()[0] in "-\u2212" and not _joins(found) else ""
    whole = (found[1] or "0").replace(",", "")
    if found[3] and not found[2]:
        return f"{sign}{whole}/{found[3]}"
    return f"{sign}{whole}{found[2] or ''}"


def _joins(found: re.Match[str]) -> bool:
    """Return whether the sign is an operator: "5 - 3" and "x - 3" end in 3, "is -3" in -3."""
    before, apart = found.string[: found.start()].rstrip()[-1:], found[0].lstrip()[1:2].isspace()
    return before.isdigit() or before in tuple(")%") or (apart and before.isalpha())


def put(question: str, choices: Sequence[str]) -> str:
    """The question with its choices, a letter to each, and how to answer."""
    lines = [
        f"{letter}. {choice}" for letter, choice in zip(letters(choices), choices, strict=True)
    ]
    return "\n".join([question.strip(), "", *lines, "", _ASKED])


def letters(choices: Sequence[str]) -> str:
    """Return a letter for each choice."""
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
