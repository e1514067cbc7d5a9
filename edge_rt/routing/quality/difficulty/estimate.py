"""From all evidence to the probability that each model suffices; ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log2
from statistics import fmean
from typing import NamedTuple

from edge_rt.routing.quality.difficulty.assessment import Assessment, Chance
from edge_rt.routing.quality.difficulty.finder import Finder, features
from edge_rt.routing.quality.difficulty.odds import log_odds, probability
from edge_rt.routing.quality.difficulty.prototypes import Nearness
from edge_rt.routing.quality.difficulty.rulebook import Rulebook


@dataclass(frozen=True)
class Known:
    """What is known of a model: its share of right answers by test, and its size."""

    figures: Mapping[str, float] = field(default_factory=dict[str, float])
    parameters: int = 0  # 0: not known


class _Weight(NamedTuple):
    """Evidence in log-odds, and what it is, in words."""

    log_odds: float
    why: str


class Estimator:
    """Adds up log-odds, as if each piece of evidence knew nothing of the others.

    A model begins with its ability: the mean of what it got right in tests, in log-odds, less how
    much easier these are than usual prompts; of tests of the prompt's kind, if it took any. After
    Rasch's model of test items. Rules and examples are about the prompt, and move all models
    alike.
    """

    def __init__(self, book: Rulebook) -> None:
        self._book = book
        self._finder = Finder(book.rules)

    def assess(
        self, text: str, models: Mapping[str, Known], near: Nearness | None = None
    ) -> Assessment:
        """What is to be expected of each of `models`, by their ids, for the prompt `text`.

        `near` is how alike it is to examples, None: nobody looked.
        """
        found = self._finder.find(text)
        evidence = [_Weight(r.weight, f"{r.name} {r.weight:+.2f}") for r in found.rules]
        weight = self._book.examples.weight or 0.0
        if near is not None and weight:
            by_examples = weight * (near.easy - near.hard)
            words = f"as an easy example {near.easy:.2f}, a hard one {near.hard:.2f}"
            evidence.append(_Weight(by_examples, f"{words} {by_examples:+.2f}"))
        moved = sum(one.log_odds for one in evidence)
        chances: dict[str, Chance] = {}
        for id, known in models.items():
            ability = self._ability(known, found.kind)
            if ability is not None:
                p = probability(ability.log_odds + moved)
                chances[id] = Chance(p, (ability.why, *(one.why for one in evidence)))
        return Assessment(features(found.kind, found.length, moved), chances)

    def _ability(self, known: Known, kind: str) -> _Weight | None:
        """What a model can do with usual prompts; None: nothing is known of it."""
        tests, figures = self._book.tests, known.figures
        own = {name: p for name, p in figures.items() if name in tests and tests[name].kind == kind}
        taken = own or figures
        if not taken:
            return self._by_size(known.parameters)
        easier = {name: tests[name].easier if name in tests else 0.0 for name in taken}
        ability = fmean(log_odds(p) - easier[name] for name, p in taken.items())
        told = ", ".join(f"{name} {p:.2f}" for name, p in taken.items())
        return _Weight(ability, f"{told}, so {ability:+.2f}")

    def _by_size(self, parameters: int) -> _Weight | None:
        size = self._book.size
        if size is None or not parameters:
            return None
        ability = size.log_odds + size.per_doubling * log2(parameters / size.parameters)
        return _Weight(ability, f"never evaluated, by its size {ability:+.2f}")
