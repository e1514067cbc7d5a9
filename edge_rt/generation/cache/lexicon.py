"""Words that decide on what a question asks, in English, from lexicon.yaml; numbers in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_rt.core.files import read_yaml

_LISTS: Mapping[str, Any] = read_yaml(Path(__file__).with_name("lexicon.yaml"))


def _words(name: str) -> frozenset[str]:
    return frozenset(_LISTS[name].split())


def _sides(text: str) -> dict[str, str]:
    """Each word by the name of its line, the line's first word."""
    lines = (line.split() for line in text.splitlines())
    return {word: line[0] for line in lines for word in line}


def _counted(text: str, first: int, step: int = 1) -> dict[str, int]:
    """Each word with its number, which grows by `step` from one to the next."""
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

SCALES: Mapping[str, int] = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "bn": 10**9,
}

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
OPPOSITES = tuple(
    (frozenset(one.split()), frozenset(other.split())) for one, other in _LISTS["opposites"]
)

WISHES = frozenset(
    (who, verb)
    for who in ("i", "we")
    for verb in ("need", "want", "wish", "would", "should", "must", "have", "can", "could")
) | {("i'd", "like"), ("we'd", "like"), ("how", "to")}
"""Two words, one behind the other, with which people say that they want something."""
