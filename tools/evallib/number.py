"""The number that an answer ends in."""

from __future__ import annotations

import re
from fractions import Fraction

from evallib.boxed import last_boxed

_NUMBER = re.compile(
    r"(?<![\w.])[-\u2212]?\s?\$?\s?(\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(\.\d+)?(?:/(\d+))?"
)
_MARKED = re.compile(r"####(.*)")


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
    """Whether both have the same value."""
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
    """Whether the sign stands between two things: "5 - 3" and "x - 3" end in 3, "is -3" in -3."""
    before, apart = found.string[: found.start()].rstrip()[-1:], found[0].lstrip()[1:2].isspace()
    return before.isdigit() or before in tuple(")%") or (apart and before.isalpha())
