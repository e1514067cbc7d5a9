"""Rules held against a prompt."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from edge_rt.routing.quality.difficulty.assessment import Features, Length
from edge_rt.routing.quality.difficulty.measures import MEASURES
from edge_rt.routing.quality.difficulty.patience import Overdue, within
from edge_rt.routing.quality.difficulty.rulebook import Rule

log = logging.getLogger(__name__)

LOOKED_AT = 2048  # characters of a prompt; of a longer one those at both ends
SHORT, LONG = 40, 200  # words of a prompt: fewer, and more
RULES_S = 0.2  # of the processor for all rules, some hundred times what they need
LEVEL = 0.5  # log-odds beyond which a prompt is easy or hard

Fits = Callable[[str], bool]


class Finding(NamedTuple):
    """The kind and length of a prompt, and the rules that fit it."""

    kind: str
    length: Length
    rules: tuple[Rule, ...]


class Finder:
    """Has rules compiled once. One that takes too long with a prompt is left out from then on:
    nothing else is served meanwhile, and there are regexes that would take for ever.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [(rule, _compiled(rule)) for rule in rules]
        self._at: Rule | None = None  # looked at last

    def find(self, text: str) -> Finding:
        """What is to be said of a prompt; nothing of an empty one."""
        if not text:
            return Finding("other", "short", ())
        text = excerpt(text)
        while True:
            try:
                return within(RULES_S, lambda: self._find(text))
            except Overdue:
                self._leave_out()

    def _find(self, text: str) -> Finding:
        kinds = (rule.kind for rule in self._fitting(text, lambda rule: rule.kind is not None))
        kind = next(kinds, None) or "other"
        own = self._fitting(text, lambda rule: {rule.kind, rule.within} <= {None, kind})
        return Finding(kind, _length(text), tuple(own))

    def _fitting(self, text: str, wanted: Callable[[Rule], bool]) -> Iterator[Rule]:
        for rule, fits in self._rules:
            if wanted(rule):
                self._at = rule
                if fits(text):
                    yield rule

    def _leave_out(self) -> None:
        at = self._at
        self._rules = [(rule, fits) for rule, fits in self._rules if rule is not at]
        log.error(
            "router.rules: %r had not come to an end after %g s with a prompt, so the rule is left "
            "out until the next start: write its regex without repeats inside of repeats",
            at and at.name,
            RULES_S,
        )


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
