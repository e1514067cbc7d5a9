"""The endpoints that turn texts into vectors, whatever they answer with."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edge_rt.api.allowance import grant
from edge_rt.api.generation.task import Received, Task
from edge_rt.api.generation.usage import Edge
from edge_rt.api.openai.embeddings_request import TextAllowance
from edge_rt.api.openai.texts import Text
from edge_rt.core.requests import EmbedCall, ModelCard
from edge_rt.engine.protocol import Embedded


class TextUsage(msgspec.Struct, frozen=True):
    """Tokens, as OpenAI counts them for embeddings."""

    prompt_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, embedded: Embedded) -> TextUsage:
        """Those of all texts."""
        tokens = embedded.timings.prompt_tokens
        return cls(tokens, tokens)


class TextTask(Task):
    """Has texts embedded."""

    async def embed(
        self,
        request: Received,
        card: ModelCard,
        texts: Sequence[Text],
        allowance: TextAllowance | None,
        dimensions: int | None = None,
    ) -> tuple[Embedded, Edge]:
        """The vectors of the texts, and what they took; raises what the service raises."""
        side = allowance.side if allowance else None
        call = EmbedCall(card.id, list(texts), side, dimensions)
        [call] = grant([call], allowance, request.exchange.arrived)
        embedded, cost = await self.context.service.embed(call)
        return embedded, self.booked(card, embedded.timings, cost)
