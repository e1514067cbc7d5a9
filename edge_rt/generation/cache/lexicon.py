"""Numbers in a text, in digits or words, with their units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edge_rt.core.files import read_yaml

_LISTS: Mapping[str, Any] = read_yaml(Path(__file__).with_name("lexicon.yaml"))

SCALES: Mapping[str, int] = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "bn": 10**9,
}

OPPOSITES = tuple(
    (frozenset(one.split()), frozenset(other.split())) for one, other in _LISTS["opposites"]
)

WISHES = frozenset(
    (who, verb)
    for who in ("i", "we")
    for verb in ("need", "want", "wish", "would", "should", "must", "have", "can", "could")
) | {("i'd", "like"), ("we'd", "like"), ("how", "to")}
"""Two words, one behind the other, with which people say that they want something."""

_LEAST = 3  # letters that are left
_VOWELS = frozenset("aeiouy")
_MANY = (("ies", "y"), ("sses", "ss"), ("ss", "ss"), ("us", "us"), ("is", "is"), ("s", ""))
_FORMS = (
    *(("ied", "y"), ("ness", ""), ("ing", ""), ("edly", ""), ("ed", "")),
    *(("er", ""), ("or", ""), ("ly", "")),
)

_GROUPS = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")
_SIGNS = frozenset("$¢€£¥")
_GOES_ON = frozenset(SCALES) | {"and"}


def _words(name: str) -> frozenset[str]:
    return frozenset(_LISTS[name].split())


def _sides(text: str) -> dict[str, str]:
    """Return each word by the name of its line, the line's first word."""
    lines = (line.split() for line in text.splitlines())
    return {word: line[0] for line in lines for word in line}


def _counted(text: str, first: int, step: int = 1) -> dict[str, int]:
    """Return each word with its number, which grows by `step` from one to the next."""
    return {word: first + step * at for at, word in enumerate(text.split())}


SMALL: Mapping[str, int] = {
    **_counted("zero one two three four five six seven eight nine ten eleven twelve thirteen", 0),
    **_counted("fourteen fifteen sixteen seventeen eighteen nineteen", 14),
    **_counted("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10),
    **_counted("first second third fourth fifth sixth seventh eighth ninth tenth", 1),
    **_counted("eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth", 11),
    **_counted("double triple", 2),
    **_counted("twice thrice", 2),
    "dozen": 12,
}
"""Numbers and places in a row that are written as one word."""


FRACTIONS: Mapping[str, str] = _sides("half halves\nquarter quarters")

UNITS = _sides(_LISTS["units"])
TIMES = _sides(_LISTS["times"])
QUANTITIES = _sides(_LISTS["quantities"])
SAME_SENSE = _sides(_LISTS["same_sense"])
NEGATIONS, PAST = _words("negations"), _words("past")
QUESTIONS, MEASURES = _words("questions"), _words("measures")
TITLES, FUNCTION, FOREIGN = _words("titles"), _words("function"), _words("foreign")
IDLE, GREETING, THANKS = _words("idle"), _words("greeting"), _words("thanks")
TASKS, ASKING, OPENERS = _words("tasks"), _words("asking"), _words("openers")


def stem(word: str) -> str:
    """Return the word without the endings of number, time and manner; our own few rules.

    Forms of one word mostly have the same stem, which need be no word itself.
    """
    for endings in (_MANY, _FORMS):
        word = _without(word, endings)
    return _even(word)


def _without(word: str, endings: Iterable[tuple[str, str]]) -> str:
    """Return the word with something else in place of the first of the endings that it has."""
    for ending, instead in endings:
        rest = word[: -len(ending)]
        if word.endswith(ending) and len(rest) >= _LEAST and not _VOWELS.isdisjoint(rest):
            return rest + instead
    return word


def _even(word: str) -> str:
    """Return a word without a last letter that endings double or drop."""
    if len(word) > _LEAST and word[-1] == word[-2] and word[-1] not in "aeiou":
        word = word[:-1]
    return word[:-1] if len(word) > _LEAST and word[-1] == "e" else word


class Number(NamedTuple):
    """A number as it reads in digits, and its unit; "" where none is told."""

    value: str
    unit: str


def numbers(words: Sequence[str]) -> tuple[tuple[Number, ...], frozenset[int]]:
    """Return the numbers among words in small letters, and where they and their units stand."""
    found: list[Number] = []
    spoken: set[int] = set()
    at = 0
    while at < len(words):
        value, end = _read(words, at)
        if value is None:
            at += 1
            continue
        unit, after = _unit(words, at, end)
        found.append(Number(value, unit))
        spoken.update(range(at, after))
        at = after
    return tuple(found), frozenset(spoken)


def _read(words: Sequence[str], at: int) -> tuple[str | None, int]:
    """Return the number that begins there, None where none does, and where it ends."""
    word = words[at]
    if word.removeprefix("-")[:1].isdigit():
        return _scaled(_digits(word), words, at + 1)
    if word in FRACTIONS:
        return FRACTIONS[word], at + 1
    return _spelt(words, at)


def _digits(word: str) -> str:
    """Return a number in digits without what may be left out; dates and times as they are."""
    if word.startswith("-"):
        return f"-{_digits(word[1:])}"
    if _GROUPS.fullmatch(word):
        word = word.replace(",", "")
    whole, _, part = word.partition(".")
    if whole.isdecimal() and part.rstrip("0").isdecimal():
        return f"{int(whole)}.{part.rstrip('0')}"
    return str(int(whole)) if whole.isdecimal() and not part.strip("0") else word


def _scaled(value: str, words: Sequence[str], end: int) -> tuple[str, int]:
    """Return the value times the "million" that follows it, if there is one."""
    scale = SCALES.get(words[end]) if end < len(words) else None
    whole, _, part = value.partition(".")
    if scale is None or not whole.isdecimal() or len(part) > len(str(scale)) - 1:
        return value, end
    zeros = len(str(scale)) - 1 - len(part)
    return str(int(whole + part + "0" * zeros)), end + 1


def _spelt(words: Sequence[str], at: int) -> tuple[str | None, int]:
    """Return a number in words, such as "two hundred and five", and where it ends."""
    total = part = 0
    end, before = at, "and"
    while end < len(words):
        word = words[end]
        if word in SMALL and (before in _GOES_ON or (before in _TENS and SMALL[word] < 10)):
            part += SMALL[word]
        elif word in SCALES and end > at:
            part *= SCALES[word]
            if word != "hundred":
                total, part = total + part, 0
        elif not _joins(word, before, words[end + 1 : end + 2]):
            break
        end, before = end + 1, word
    return (str(total + part), end) if end > at else (None, at)


def _joins(word: str, before: str, behind: Sequence[str]) -> bool:
    """Return whether a word is an "and" within a number."""
    return word == "and" and before in SCALES and any(one in SMALL for one in behind)


_TENS = frozenset(word for word, value in SMALL.items() if value >= 20)


def _unit(words: Sequence[str], at: int, end: int) -> tuple[str, int]:
    """Return the unit of the number from `at` to `end`, and where all of it ends."""
    if at and words[at - 1] in _SIGNS:
        return words[at - 1], end
    if list(words[end : end + 2]) == ["per", "cent"]:
        return "%", end + 2
    unit = UNITS.get(words[end]) if end < len(words) else None
    return (unit, end + 1) if unit else ("", end)
