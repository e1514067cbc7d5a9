"""Numbers in a text, in digits or words, with their units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edge_rt.generation.cache.lexicon import FRACTIONS, SCALES, SMALL, UNITS

_LEAST = 3  # letters that are left
_VOWELS = frozenset("aeiouy")


def stem(word: str) -> str:
    """The word without the endings of number, time and manner; our own few rules.

    Forms of one word mostly have the same stem, which need be no word itself.
    """
    for endings in (_MANY, _FORMS):
        word = _without(word, endings)
    return _even(word)


_MANY = (("ies", "y"), ("sses", "ss"), ("ss", "ss"), ("us", "us"), ("is", "is"), ("s", ""))
_FORMS = (
    *(("ied", "y"), ("ness", ""), ("ing", ""), ("edly", ""), ("ed", "")),
    *(("er", ""), ("or", ""), ("ly", "")),
)


def _without(word: str, endings: Iterable[tuple[str, str]]) -> str:
    """The word with something else in place of the first of the endings that it has."""
    for ending, instead in endings:
        rest = word[: -len(ending)]
        if word.endswith(ending) and len(rest) >= _LEAST and not _VOWELS.isdisjoint(rest):
            return rest + instead
    return word


def _even(word: str) -> str:
    """Without a last letter that endings double or drop."""
    if len(word) > _LEAST and word[-1] == word[-2] and word[-1] not in "aeiou":
        word = word[:-1]
    return word[:-1] if len(word) > _LEAST and word[-1] == "e" else word


_GROUPS = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")
_SIGNS = frozenset("$¢€£¥")


class Number(NamedTuple):
    """A number as it reads in digits, and its unit; "" where none is told."""

    value: str
    unit: str


def numbers(words: Sequence[str]) -> tuple[tuple[Number, ...], frozenset[int]]:
    """The numbers among words in small letters, and where they and their units stand."""
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
    """The number that begins there, None where none does, and where it ends."""
    word = words[at]
    if word.removeprefix("-")[:1].isdigit():
        return _scaled(_digits(word), words, at + 1)
    if word in FRACTIONS:
        return FRACTIONS[word], at + 1
    return _spelt(words, at)


def _digits(word: str) -> str:
    """A number in digits without what may be left out; dates and times as they are."""
    if word.startswith("-"):
        return f"-{_digits(word[1:])}"
    if _GROUPS.fullmatch(word):
        word = word.replace(",", "")
    whole, _, part = word.partition(".")
    if whole.isdecimal() and part.rstrip("0").isdecimal():
        return f"{int(whole)}.{part.rstrip('0')}"
    return str(int(whole)) if whole.isdecimal() and not part.strip("0") else word


def _scaled(value: str, words: Sequence[str], end: int) -> tuple[str, int]:
    """With the "million" behind it, if there is one."""
    scale = SCALES.get(words[end]) if end < len(words) else None
    whole, _, part = value.partition(".")
    if scale is None or not whole.isdecimal() or len(part) > len(str(scale)) - 1:
        return value, end
    zeros = len(str(scale)) - 1 - len(part)
    return str(int(whole + part + "0" * zeros)), end + 1


def _spelt(words: Sequence[str], at: int) -> tuple[str | None, int]:
    """Such as "twenty five", or "two hundred and five"."""
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
    """Whether a word is an "and" within a number."""
    return word == "and" and before in SCALES and any(one in SMALL for one in behind)


_GOES_ON = frozenset(SCALES) | {"and"}
_TENS = frozenset(word for word, value in SMALL.items() if value >= 20)


def _unit(words: Sequence[str], at: int, end: int) -> tuple[str, int]:
    """The unit of the number from `at` to `end`, and where all of it ends."""
    if at and words[at - 1] in _SIGNS:
        return words[at - 1], end
    if list(words[end : end + 2]) == ["per", "cent"]:
        return "%", end + 2
    unit = UNITS.get(words[end]) if end < len(words) else None
    return (unit, end + 1) if unit else ("", end)
