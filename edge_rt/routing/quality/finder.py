"""The rules of a prompt's features, and the assessment of a prompt before it is computed."""

from __future__ import annotations

import logging
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

import msgspec

from edge_rt.routing.quality.rulebook import MEASURES, Rule

Length = Literal["short", "medium", "long"]
Level = Literal["easy", "plain", "hard"]


class Features(msgspec.Struct, frozen=True):
    """The class of a prompt: `kind` by the rules, "other" where none fits, length, and level.

    `level` tells where the evidence puts it beside the usual prompt of no kind.
    """

    kind: str = "other"
    length: Length = "short"
    level: Level = "plain"

    @property
    def context(self) -> tuple[str, str, str]:
        """The class of the request: kind, length and level."""
        return self.kind, self.length, self.level


class Chance(msgspec.Struct, frozen=True):
    """The probability that a model's answer is good enough, and what it comes from, in words."""

    p: float
    reasons: tuple[str, ...] = ()


class Assessment(msgspec.Struct, frozen=True):
    """The features of a prompt, and the chance of each model, by its id; none where unknown."""

    features: Features = Features()
    chances: Mapping[str, Chance] = {}

    def p(self, model: str) -> float | None:
        """The probability that the model's answer is good enough; None: nothing is known."""
        chance = self.chances.get(model)
        return None if chance is None else chance.p


T = TypeVar("T")


class Overdue(Exception):
    """The work took longer than it may."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return what `work` gives; raises Overdue after so many seconds of the processor.

    That is for regular expressions, which look for signals while they search. Python handles those
    in its main thread only: in others there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    at_work = True

    def end(number: int, frame: object) -> None:
        if at_work:
            raise Overdue

    # It stays: a signal that is late would end the process where nothing handles it.
    signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        return work()
    finally:
        at_work = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


log = logging.getLogger(__name__)

LOOKED_AT = 2048  # characters of a prompt; of a longer one those at both ends
SHORT, LONG = 40, 200  # words of a prompt: fewer, and more
RULES_S = 0.2  # of the processor for all rules, some hundred times what they need
LEVEL = 0.5  # log-odds beyond which a prompt is easy or hard

Fits = Callable[[str], bool]


class RuleFinding(NamedTuple):
    """The kind and length of a prompt, and the rules that fit it."""

    kind: str
    length: Length
    rules: tuple[Rule, ...]


class Finder:
    """Compiles rules once, and leaves out a rule from then on that takes too long with a prompt."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [(rule, _compiled(rule)) for rule in rules]
        self._at: Rule | None = None  # looked at last

    def find(self, text: str) -> RuleFinding:
        """What is to be said of a prompt; nothing of an empty one."""
        if not text:
            return RuleFinding("other", "short", ())
        text = excerpt(text)
        while True:
            try:
                return within(RULES_S, lambda: self._find(text))
            except Overdue:
                self._leave_out()

    def _find(self, text: str) -> RuleFinding:
        kinds = (rule.kind for rule in self._fitting(text, lambda rule: rule.kind is not None))
        kind = next(kinds, None) or "other"
        own = self._fitting(text, lambda rule: {rule.kind, rule.within} <= {None, kind})
        return RuleFinding(kind, _length(text), tuple(own))

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
    """Return the part of a prompt that is looked at."""
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
