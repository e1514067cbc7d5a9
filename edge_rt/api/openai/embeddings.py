"""POST /v1/embeddings, and POST /v1/rerank, which orders documents by a question."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Sequence
from operator import mul
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.types import Send
from typing_extensions import override

from edge_rt.api.allowance import TextAllowance
from edge_rt.api.middleware.respond import edge_headers, send_json
from edge_rt.api.openai.fields import Count, Text, TokenId, separate
from edge_rt.api.task import Received, TextEndpoint, TextUsage, placed, vectors
from edge_rt.core.errors import ModelNotFound, RequestError
from edge_rt.core.events import Embedded
from edge_rt.generation.usage import Edge

MOST = 1024  # documents of one request


class EmbeddingsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Texts that are to be placed in a space; a field that is null is a field left out."""

    input: str | Annotated[list[str | TokenId | list[TokenId]], Meta(min_length=1)]
    """Text or token ids, one input or several."""
    model: str | None = None
    """Id of an embedding model."""
    encoding_format: Literal["float", "base64"] | None = None
    """Numbers, or their float32 in base64, little-endian."""
    dimensions: Count | None = None
    """Keep only the first so many numbers, and bring them to length 1 again."""
    edge: TextAllowance | None = None
    """What the request may take."""


def texts(given: str | list[str | int | list[int]], name: str = "input") -> list[Text]:
    """Return the texts; raises RequestError for an empty one."""
    found = separate(given, name)
    for i, text in enumerate(found):
        if not text:
            at = f"{name}[{i}]" if len(found) > 1 else name
            message = f"`{at}` is empty: send at least one character or token id."
            raise RequestError(message, param=at, code="invalid_value")
    return found


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    """One vector: numbers, or its float32 in base64, little-endian."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: tuple[float, ...] | str


class EmbeddingList(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: TextUsage
    edge: Edge


class Embeddings(TextEndpoint[EmbeddingsRequest]):
    """Give each text a vector.

    It lies near those of texts that mean the same.
    """

    body = EmbeddingsRequest

    @override
    async def answer(self, request: Received, send: Send) -> None:
        asked = self.read(request)
        found = texts(asked.input)
        card = self.card(request, asked.model, "embedding")
        embedded, edge = await self.embed(request, card, found, asked.edge, asked.dimensions)
        # Thousands of vectors take a while, which others must not wait for.
        in_base64 = asked.encoding_format == "base64"
        data = await asyncio.to_thread(_items, embedded, in_base64)
        usage = TextUsage.of(embedded)
        document = EmbeddingList(data=data, model=card.id, usage=usage, edge=edge)
        await send_json(send, document, headers=edge_headers(edge))


def _items(embedded: Embedded, in_base64: bool) -> list[Embedding]:
    if not in_base64:
        return [Embedding(index=i, embedding=row) for i, row in enumerate(vectors(embedded))]
    size, data = 4 * embedded.width, embedded.vectors
    rows = [data[at : at + size] for at in range(0, len(data), size)]
    return [
        Embedding(index=i, embedding=base64.b64encode(row).decode()) for i, row in enumerate(rows)
    ]


Words = Annotated[str, Meta(min_length=1)]


class Document(msgspec.Struct, frozen=True):
    """A document with its text as a field."""

    text: Words
    """The text."""


class RerankRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A question and documents; a field that is null is a field left out."""

    query: Words
    """The question."""
    documents: Annotated[list[Words | Document], Meta(min_length=1, max_length=MOST)]
    """Texts, or objects with a `text`."""
    model: str | None = None
    """Id of a model that ranks, or of an embedding model."""
    top_n: Count | None = None
    """How many documents the answer has at most. Default: all."""
    return_documents: bool | None = None
    """Whether the answer repeats the documents. Default: false."""
    edge: TextAllowance | None = None
    """What the request may take."""

    @property
    def texts(self) -> list[str]:
        return [one if isinstance(one, str) else one.text for one in self.documents]

    @property
    def fields(self) -> list[str]:
        """Where each text stands: the question, then the documents."""
        return ["query", *(f"documents[{at}]" for at in range(len(self.documents)))]


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """One document."""

    index: int
    """Its place in the request."""
    relevance_score: float
    """The cosine between the vectors of question and document, from -1 to 1, or what a model that
    ranks says: of any size, the more the better."""
    document: Document | UnsetType = UNSET
    """The document, with `return_documents`."""


class RankedList(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    id: str
    object: Literal["list"] = "list"
    model: str
    results: list[Ranked]
    """The documents, those that fit best first."""
    usage: TextUsage
    edge: Edge


class Rerank(TextEndpoint[RerankRequest]):
    """Order documents by how well they fit a question.

    A model that ranks reads each with the question; one for embeddings reads all by themselves, and
    their cosines order them.
    """

    body = RerankRequest

    @override
    async def answer(self, request: Received, send: Send) -> None:
        asked = self.read(request)
        try:
            card = self.card(request, asked.model, "rerank")
        except (RequestError, ModelNotFound):
            card = self.card(request, asked.model, "embedding")
        ranks = card.kind == "rerank"
        texts, query = asked.texts, asked.query if ranks else None
        given, fields = (
            (texts, asked.fields[1:]) if ranks else ([asked.query, *texts], asked.fields)
        )
        try:
            embedded, edge = await self.embed(request, card, given, asked.edge, query=query)
        except RequestError as error:
            raise placed(error, fields) from None
        # A thousand cosines take a while, which others must not wait for.
        scores = await asyncio.to_thread(_scores if ranks else _cosines, embedded)
        document = RankedList(
            id=f"rerank-{self.context.new_id()}",
            model=card.id,
            results=_ranked(scores, asked, texts),
            usage=TextUsage.of(embedded),
            edge=msgspec.structs.replace(edge, scores="rerank" if ranks else "cosine"),
        )
        await send_json(send, document, headers=edge_headers(document.edge))


def _scores(embedded: Embedded) -> list[float]:
    return [numbers[0] for numbers in vectors(embedded)]


def _cosines(embedded: Embedded) -> list[float]:
    """Return the cosines between the first vector and the others; 0 where one is all zeros."""
    query, *others = [_unit(vector) for vector in vectors(embedded)]
    return [sum(map(mul, query, other)) for other in others]


def _unit(vector: Sequence[float]) -> Sequence[float]:
    length = math.sqrt(sum(map(mul, vector, vector)))
    return [number / length for number in vector] if length else vector


def _ranked(scores: list[float], asked: RerankRequest, texts: list[str]) -> list[Ranked]:
    ranked = [
        Ranked(
            index=index,
            relevance_score=score,
            document=Document(texts[index]) if asked.return_documents else UNSET,
        )
        for index, score in enumerate(scores)
    ]
    ranked.sort(key=lambda one: -one.relevance_score)
    return ranked[: asked.top_n]
