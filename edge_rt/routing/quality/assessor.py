"""How likely each model is to give a request a good answer."""

from __future__ import annotations

import asyncio
import logging
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from edge_rt.config.schema import Router
from edge_rt.core.errors import EdgeError
from edge_rt.core.logs import Trouble
from edge_rt.core.requests import Cost, EmbedCall
from edge_rt.engine.protocol import Embedded
from edge_rt.models.record import ModelRecord
from edge_rt.routing.quality.difficulty.assessment import Assessment
from edge_rt.routing.quality.difficulty.estimate import Estimator, Known
from edge_rt.routing.quality.difficulty.finder import excerpt
from edge_rt.routing.quality.difficulty.prototypes import Nearness, Prototypes
from edge_rt.routing.quality.difficulty.rulebook import load_rulebook
from edge_rt.routing.quality.feedback.learner import Context

log = logging.getLogger(__name__)


class Embedder(Protocol):
    """Has texts turned into vectors."""

    def entry(self, model: str) -> ModelRecord:
        """One model; raises ModelNotFound."""
        ...

    async def embed(self, call: EmbedCall) -> tuple[Embedded, Cost]:
        """See Service."""
        ...


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
        """By which prompts are alike, as far as rules alone tell."""
        return self._estimator.assess(text, {}).features.context

    async def assess(
        self,
        text: str,
        entries: Sequence[ModelRecord],
        host: Embedder,
        took: Callable[[Cost], None] = lambda _: None,
    ) -> Assessment:
        """What is to be expected of each of `entries`, by id; `text` "": as of any prompt.

        `took` is told what it cost to compare `text` with the examples.
        """
        near = await self._near(text, host, took) if text and self._model is not None else None
        return self._estimator.assess(text, {entry.id: _known(entry) for entry in entries}, near)

    async def _near(
        self, text: str, host: Embedder, took: Callable[[Cost], None]
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

    async def _compared_with(self, host: Embedder) -> Prototypes:
        """The examples, anew where the model has another file: its vectors are others."""
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
        self, texts: Sequence[str], host: Embedder
    ) -> tuple[Sequence[Sequence[float]], Cost]:
        assert self._model is not None
        found, cost = await host.embed(EmbedCall(self._model, list(texts), truncate="end"))
        numbers = array("f", found.vectors)
        vectors = [numbers[i : i + found.width] for i in range(0, len(numbers), found.width)]
        return vectors, cost


def _known(entry: ModelRecord) -> Known:
    quality = entry.presumed_quality
    return Known({} if quality is None else quality.figures, entry.summary.parameters)
