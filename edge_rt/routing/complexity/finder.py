"""Rules held against a prompt."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from edge_rt.routing.complexity.assessment import Features, Length
from edge_rt.routing.complexity.measures import MEASURES
from edge_rt.routing.complexity.patience import Overdue, within
from edge_rt.routing.complexity.rulebook import Rule

log = logging.getLogger(__name__)

LOOKED_AT = 2048  # characters of a prompt; of a longer one those at both ends
SHORT, LONG = 40, 200  # words of a prompt: fewer, and more
REGEX_S = 0.1  # of the processor for a regex, some thousand times what one needs
LEVEL = 0.5  # log-odds beyond which a prompt is easy or hard

Fits = Callable[[str], bool]


class Finding(NamedTuple):
    """The kind and length of a prompt, and the rules that fit it."""

    kind: str
    length: Length
    rules: tuple[Rule, ...]


class Finder:
    """Has rules compiled once. One whose regex takes too long with a prompt fits none from then on:
    nothing else is served meanwhile, and there are such that would take for ever.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [(rule, self._bounded(rule, _compiled(rule))) for rule in rules]
        self._endless: set[str] = set()  # names of those

    def find(self, text: str) -> Finding:
        """What is to be said of a prompt; nothing of an empty one."""
        if not text:
            return Finding("other", "short", ())
        text = excerpt(text)
        kinds = ((rule.kind, fits) for rule, fits in self._rules if rule.kind is not None)
        kind = next((kind for kind, fits in kinds if fits(text)), "other")
        own = [(r, fits) for r, fits in self._rules if {r.kind, r.within} <= {None, kind}]
        return Finding(kind, _length(text), tuple(rule for rule, fits in own if fits(text)))

    def _bounded(self, rule: Rule, fits: Fits) -> Fits:
        return fits if rule.regex is None else lambda text: self._fits(rule, fits, text)

    def _fits(self, rule: Rule, fits: Fits, text: str) -> bool:
        if rule.name in self._endless:
            return False
        try:
            return within(REGEX_S, lambda: fits(text))
        except Overdue:
            self._endless.add(rule.name)
            log.error(
                "router.rules: the regex of %r took %g s with a prompt, so the rule is left out "
                "until the next start: write it without repeats inside of repeats",
                rule.name,
                REGEX_S,
            )
            return False


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
