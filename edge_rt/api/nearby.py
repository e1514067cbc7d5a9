"""The semantic cache as requests meet it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from edge_rt.api.allowance import Allowance, grant
from edge_rt.api.meters import Meters
from edge_rt.api.service import Service
from edge_rt.core.cached import digest
from edge_rt.core.errors import EdgeError, RequestError
from edge_rt.core.logs import Trouble
from edge_rt.core.requests import Cost, EmbedCall
from edge_rt.generation.cache.tables import vector
from edge_rt.generation.usage import tallied

if TYPE_CHECKING:
    from edge_rt.generation.cache.semantic import Neighbour, Question, SemanticCache

LONGEST_TEXT = 2000  # characters; longer texts are seldom alike, and not looked for
_TOO_LONG = "context_length_exceeded"

log = logging.getLogger(__name__)


class Topic(NamedTuple):
    """What a request asks, and the digest of all else that it says."""

    scope: bytes
    text: str


@dataclass(frozen=True)
class AskedQuestion:
    """A question as it is looked for, and what its embedding took."""

    question: Question
    cost: Cost


class Near(NamedTuple):
    """The question that was answered in place of the one asked, and what the look took."""

    neighbour: Neighbour
    cost: Cost


class Nearby:
    """Questions as vectors, which an embedding model makes, and the cache that holds them."""

    def __init__(self, cache: SemanticCache, model: str, service: Service, meters: Meters) -> None:
        """`model` is the id of the embedding model, which need not be there yet."""
        self.cache, self.model = cache, model
        self.hits = 0  # since the start
        self._service, self._meters = service, meters
        self._trouble = Trouble(log, "answers to similar questions are not looked for")

    async def read(
        self, topic: Topic, allowance: Allowance | None, arrived_s: float
    ) -> AskedQuestion | None:
        """The question of a request that came at `arrived_s` with that allowance.

        None where there is no embedding now: the request goes on without, for it can be answered.
        """
        try:
            card = self._service.able(self.model, "embedding")
            [call] = grant([EmbedCall(card.id, [topic.text])], allowance, arrived_s)
            embedded, cost = await self._service.embed(call)
        except EdgeError as error:
            if not (isinstance(error, RequestError) and error.code == _TOO_LONG):
                self._trouble.met(str(error))
            return None
        self._trouble.over()
        self._meters.generated(card.id, tallied(embedded.timings, cost))
        scope = digest(topic.scope, card.id, card.sha256)  # vectors of two models tell nothing
        from edge_rt.generation.cache.semantic import Question

        return AskedQuestion(Question(scope, topic.text, vector(embedded.vectors)), cost)
