"""The probability that each model gives a request a good answer, from all evidence."""

from __future__ import annotations

import asyncio
import logging
import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log2
from operator import mul
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from edge_rt.config.schema import Router
from edge_rt.core.errors import EdgeError
from edge_rt.core.logs import Trouble
from edge_rt.core.requests import Cost, EmbedCall
from edge_rt.models.record import ModelRecord
from edge_rt.routing.host import ModelHost
from edge_rt.routing.quality.finder import Assessment, Chance, Finder, excerpt, features
from edge_rt.routing.quality.learner import Context
from edge_rt.routing.quality.rulebook import Rulebook, load_rulebook

_EDGE = 0.02  # no figure of a test says that it never fails, or always


def log_odds(p: float) -> float:
    """ln p/(1-p); what is nearer than 0.02 to 0 or 1 counts as that near."""
    p = min(1.0 - _EDGE, max(_EDGE, p))
    return math.log(p / (1.0 - p))


def probability(log_odds: float) -> float:
    """The other way round."""
    return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, log_odds))))


Vector = Sequence[float]


class Nearness(NamedTuple):
    """The cosine between a prompt and the nearest easy example, and the nearest hard one."""

    easy: float
    hard: float


class Prototypes:
    """The examples as an embedding model places them."""

    def __init__(self, easy: Sequence[Vector], hard: Sequence[Vector]) -> None:
        """Neither side is empty; vectors have any length but 0."""
        self._easy, self._hard = [_unit(v) for v in easy], [_unit(v) for v in hard]

    def near(self, vector: Vector) -> Nearness:
        """Return how near a vector is to the nearest easy and the nearest hard example."""
        one = _unit(vector)
        return Nearness(_nearest(one, self._easy), _nearest(one, self._hard))


def _nearest(one: Vector, others: Sequence[Vector]) -> float:
    return max(sum(map(mul, one, other)) for other in others)


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(map(mul, vector, vector)))
    return [number / length for number in vector] if length else vector


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model: its share of right answers by test, and its size."""

    figures: Mapping[str, float] = field(default_factory=dict[str, float])
    parameters: int = 0  # 0: not known


class _Weight(NamedTuple):
    """A piece of evidence: its log-odds, and a description in words."""

    log_odds: float
    why: str


class Estimator:
    """Adds up log-odds, as if each piece of evidence knew nothing of the others.

    A model begins with its ability: the mean log-odds of what it got right in tests (those of the
    prompt's kind, if any), less how much easier these are than usual prompts; after Rasch's model
    of test items. Rules and examples are about the prompt and move all models alike.
    """

    def __init__(self, book: Rulebook) -> None:
        self._book = book
        self._finder = Finder(book.rules)

    def assess(
        self, text: str, models: Mapping[str, ModelFacts], near: Nearness | None = None
    ) -> Assessment:
        """Return what is to be expected of each of `models`, by their ids, for the prompt `text`.

        `near` is how alike it is to examples, None: not compared.
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

    def _ability(self, known: ModelFacts, kind: str) -> _Weight | None:
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


log = logging.getLogger(__name__)


class Assessor:
    """Holds rules, and examples where there is a model to compare a prompt with them."""

    def __init__(self, config: Router) -> None:
        """Raises ConfigError for a file of rules that cannot be read."""
        book = load_rulebook([] if config.rules is None else [Path(config.rules)])
        self._estimator, self._examples = Estimator(book), book.examples
        compares = self._examples.weight and self._examples.easy and self._examples.hard
        self._model = config.embedding if compares else None
        self._prototypes: tuple[str, Prototypes] | None = None  # of the model's file
        self._once = asyncio.Lock()
        self._trouble = Trouble(log, "prompts are not compared with examples: router.embedding")

    def context(self, text: str) -> Context:
        """Return the class of a prompt by rules alone."""
        return self._estimator.assess(text, {}).features.context

    async def assess(
        self,
        text: str,
        entries: Sequence[ModelRecord],
        host: ModelHost,
        took: Callable[[Cost], None] = lambda _: None,
    ) -> Assessment:
        """Return what is to be expected of each of `entries`, by id; `text` "": of any prompt.

        `took` is told what it cost to compare `text` with the examples.
        """
        near = await self._near(text, host, took) if text and self._model is not None else None
        return self._estimator.assess(text, {entry.id: _known(entry) for entry in entries}, near)

    async def _near(
        self, text: str, host: ModelHost, took: Callable[[Cost], None]
    ) -> Nearness | None:
        """How alike the prompt is to examples; None, and a word in the log, where that fails."""
        try:
            prototypes = await self._compared_with(host)
            (vector,), cost = await self._vectors([excerpt(text)], host)
        except EdgeError as error:
            self._trouble.met(str(error))
            return None
        self._trouble.over()
        took(cost)
        return prototypes.near(vector)

    async def _compared_with(self, host: ModelHost) -> Prototypes:
        """Return the vectors of the examples, computed again when the model has another file."""
        assert self._model is not None
        async with self._once:
            file = host.entry(self._model).sha256
            if self._prototypes is None or self._prototypes[0] != file:
                easy, hard = self._examples.easy, self._examples.hard
                vectors, _ = await self._vectors([*easy, *hard], host)
                made = Prototypes(vectors[: len(easy)], vectors[len(easy) :])
                self._prototypes = file, made
            return self._prototypes[1]

    async def _vectors(
        self, texts: Sequence[str], host: ModelHost
    ) -> tuple[Sequence[Sequence[float]], Cost]:
        assert self._model is not None
        found, cost = await host.embed(EmbedCall(self._model, list(texts), truncate="end"))
        numbers = array("f", found.vectors)
        vectors = [numbers[i : i + found.width] for i in range(0, len(numbers), found.width)]
        return vectors, cost


def _known(entry: ModelRecord) -> ModelFacts:
    quality = entry.presumed_quality
    return ModelFacts({} if quality is None else quality.figures, entry.summary.parameters)
