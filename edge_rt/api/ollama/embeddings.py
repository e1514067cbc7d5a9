"""POST /api/embed and POST /api/embeddings."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta
from starlette.types import Send
from typing_extensions import override

from edge_rt.api.allowance import TextAllowance
from edge_rt.api.middleware.respond import edge_headers, send_json
from edge_rt.api.ollama.answers import in_ns
from edge_rt.api.ollama.options import KEPT, KeepAlive, check_keep_alive, notes
from edge_rt.api.openai.embeddings import texts
from edge_rt.api.openai.fields import Count
from edge_rt.api.task import Received, TextEndpoint, vectors
from edge_rt.core.errors import RequestError
from edge_rt.core.events import Embedded
from edge_rt.generation.usage import Edge

_CUT = '`edge.truncate`: "end" or "start"'  # in an error of the engine


class OllamaEmbedFields(msgspec.Struct, frozen=True, kw_only=True):
    """What both requests for embeddings share; a field that is null is a field left out."""

    model: Annotated[str, Meta(min_length=1)]
    """Name of an embedding model, with or without `:latest`; also `default`."""
    options: dict[str, Any] | None = None
    """Not honoured, which a warning tells of those that would change something."""
    keep_alive: KeepAlive | None = None
    """0: the model leaves memory afterwards, unless others use it. Anything else is not honoured,
    which a warning tells."""
    edge: TextAllowance | None = None
    """What the request may take."""


class OllamaEmbedRequest(OllamaEmbedFields, frozen=True, kw_only=True):
    """Texts that are to be placed in a space."""

    input: str | Annotated[list[str], Meta(min_length=1)]
    """One text or several."""
    truncate: bool | None = None
    """Whether the end of a text that is too long is cut. Default: false, the request fails."""
    dimensions: Count | None = None
    """Keep only the first so many numbers, and bring them to length 1 again."""


class OllamaEmbeddingsRequest(OllamaEmbedFields, frozen=True, kw_only=True):
    """One text that is to be placed in a space."""

    prompt: str
    """The text."""


class OllamaEmbedded(msgspec.Struct, frozen=True, kw_only=True):
    """The vectors; durations are in nanoseconds."""

    model: str
    embeddings: list[tuple[float, ...]]
    total_duration: int
    load_duration: int
    prompt_eval_count: int
    edge: Edge


class OllamaEmbedding(msgspec.Struct, frozen=True, kw_only=True):
    """One vector."""

    embedding: tuple[float, ...]
    edge: Edge


FieldsT = TypeVar("FieldsT", bound=OllamaEmbedFields)


class _Embeddings(TextEndpoint[FieldsT]):
    """What both endpoints do alike."""

    field: str  # that holds the texts
    cut: str  # how a text that is too long may be cut

    async def placed(
        self, request: Received, asked: FieldsT, given: str | list[str]
    ) -> tuple[Embedded, Edge]:
        """Return the vectors of the texts, and their cost."""
        unloads = check_keep_alive(asked.keep_alive)
        warnings = request.exchange.warnings
        warnings += [] if unloads or asked.keep_alive is None else [KEPT]
        card = self.card(request, asked.model, "embedding")
        warnings += notes(asked.options, card.context)
        terms, dimensions = asked.edge, None
        if isinstance(asked, OllamaEmbedRequest):
            dimensions = asked.dimensions
            if asked.truncate:
                terms = msgspec.structs.replace(terms or TextAllowance(), truncate=True)
        found = texts([given] if isinstance(given, str) else [*given], self.field)
        try:
            placed = await self.embed(request, card, found, terms, dimensions)
        except RequestError as error:  # which names the field of the other API
            message = str(error).replace("`input", f"`{self.field}").replace(_CUT, self.cut)
            param = (error.param or self.field).replace("input", self.field, 1)
            raise RequestError(message, param=param, code=error.code) from error
        if unloads:
            await self.context.service.unload(card.id)
        return placed


class OllamaEmbed(_Embeddings[OllamaEmbedRequest]):
    """Give each text a vector, as Ollama does."""

    body, field, cut = OllamaEmbedRequest, "input", "`truncate`: true"

    @override
    async def answer(self, request: Received, send: Send) -> None:
        asked = self.read(request)
        embedded, edge = await self.placed(request, asked, asked.input)
        rows = await asyncio.to_thread(vectors, embedded)
        total_s = self.context.monotonic() - request.exchange.arrived
        document = OllamaEmbedded(
            model=asked.model,
            embeddings=rows,
            total_duration=in_ns(total_s),
            load_duration=in_ns(total_s - edge.prefill_s),
            prompt_eval_count=embedded.timings.prompt_tokens,
            edge=edge,
        )
        await send_json(send, document, headers=edge_headers(edge))


class OllamaEmbeddings(_Embeddings[OllamaEmbeddingsRequest]):
    """Give one text a vector, as older clients of Ollama ask."""

    body, field, cut = OllamaEmbeddingsRequest, "prompt", _CUT

    @override
    async def answer(self, request: Received, send: Send) -> None:
        asked = self.read(request)
        embedded, edge = await self.placed(request, asked, asked.prompt)
        [row] = vectors(embedded)
        await send_json(send, OllamaEmbedding(embedding=row, edge=edge), headers=edge_headers(edge))
