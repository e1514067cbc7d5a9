"""Rules held against a prompt."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from edge_rt.routing.complexity.assessment import Features, Length
from edge_rt.routing.complexity.measures import MEASURES
from edge_rt.routing.complexity.rulebook import Rule

LOOKED_AT = 2048  # characters of a prompt; of a longer one those at both ends
SHORT, LONG = 40, 200  # words of a prompt: fewer, and more
LEVEL = 0.5  # log-odds beyond which a prompt is easy or hard

Fits = Callable[[str], bool]


class Finding(NamedTuple):
    """The kind and length of a prompt, and the rules that fit it."""

    kind: str
    length: Length
    rules: tuple[Rule, ...]


class Finder:
    """Has rules compiled once."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [(rule, _compiled(rule)) for rule in rules]

    def find(self, text: str) -> Finding:
        """What is to be said of a prompt; nothing of an empty one."""
        if not text:
            return Finding("other", "short", ())
        text = excerpt(text)
        kinds = ((rule.kind, fits) for rule, fits in self._rules if rule.kind is not None)
        kind = next((kind for kind, fits in kinds if fits(text)), "other")
        own = [(r, fits) for r, fits in self._rules if {r.kind, r.within} <= {None, kind}]
        return Finding(kind, _length(text), tuple(rule for rule, fits in own if fits(text)))


def excerpt(text: str) -> str:
    """As much of a prompt as is looked at."""
    if len(text) <= LOOKED_AT:
        return text
    return f"{text[: LOOKED_AT // 2]}\n{text[-LOOKED_AT // 2 :]}"


def features(kind: str, length: Length, log_odds: float) -> Features:
    """The prompt in a few words, where all the evidence comes to `log_odds`."""
    level = "hard" if log_odds < -LEVEL else "easy" if log_odds > LEVEL else "plain"
    return Features(kind, length, level)


def _length(text: str) -> Length:
    words = MEASURES["words"](text)
    return "short" if words < SHORT else "long" if words > LONG else "medium"


def _compiled(rule: Rule) -> Fits:
    if rule.measure is not None:
        measure = MEASURES[rule.measure]
        least = float("-inf") if rule.least is None else rule.least
        most = float("inf") if rule.most is None else rule.most
        return lambda text: least <= measure(text) <= most
    if rule.words is not None:
        words = "|".join(re.escape(word) for word in rule.words)
        pattern = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)
    else:
        pattern = re.compile(rule.regex or "")
    return lambda text: pattern.search(text) is not None
