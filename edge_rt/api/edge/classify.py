"""POST /edge/v1/classify: which of some labels fits a text best."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from typing import Literal

import msgspec
from starlette.types import Send

from edge_rt.api.edge.classify_request import ClassifyRequest, Groups
from edge_rt.api.edge.nearest import Vector, point, scores, similarities
from edge_rt.api.generation.task import Received
from edge_rt.api.generation.text_task import TextTask, TextUsage
from edge_rt.api.generation.usage import Edge
from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.decode import decode
from edge_rt.api.middleware.headers import edge_headers
from edge_rt.api.middleware.respond import send_json
from edge_rt.core.errors import RequestError
from edge_rt.engine.protocol import Embedded

KEPT = 16  # sets of labels whose points are remembered

Points = dict[str, Vector]
_DECODER = msgspec.json.Decoder(ClassifyRequest)


class Classification(msgspec.Struct, frozen=True, kw_only=True):
    """The best label of one text, with the scores and similarities of all; see nearest."""

    object: Literal["classification"] = "classification"
    index: int
    label: str
    score: float
    scores: dict[str, float]
    similarities: dict[str, float]


class ClassificationList(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    object: Literal["list"] = "list"
    data: list[Classification]
    model: str
    usage: TextUsage
    edge: Edge


class Classify(TextTask):
    """Embeds texts and examples in one go, the examples of labels used lately only once."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._kept: dict[bytes, Points] = {}  # those used last are last

    async def answer(self, request: Received, send: Send) -> None:
        """See Task; raises RequestError or ModelNotFound and what the service raises."""
        asked = decode(_DECODER, request.body)
        groups, texts = asked.groups, asked.texts
        card = self.card(request, asked.model, "embedding")
        key = _key(card.sha256, groups, asked.edge.side if asked.edge else None)
        points = self._kept.get(key)
        examples = [text for group in groups.values() for text in group] if points is None else []
        try:
            embedded, edge = await self.embed(request, card, [*texts, *examples], asked.edge)
        except RequestError as error:
            raise asked.placed(error) from None
        # Hundreds of texts and labels take a while, which others must not wait for.
        data, points = await asyncio.to_thread(_data, embedded, asked.scale, groups, points)
        self._keep(key, points)
        usage = TextUsage.of(embedded)
        document = ClassificationList(data=data, model=card.id, usage=usage, edge=edge)
        await send_json(send, document, headers=edge_headers(edge))

    def _keep(self, key: bytes, points: Points) -> None:
        self._kept.pop(key, None)
        self._kept[key] = points
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]


def _key(sha256: str, groups: Groups, side: str | None) -> bytes:
    """What the points depend on, in few bytes: examples may be long, and cut at one side."""
    return hashlib.sha256(msgspec.msgpack.encode((sha256, list(groups.items()), side))).digest()


def _data(
    embedded: Embedded, scale: float, groups: Groups, points: Points | None
) -> tuple[list[Classification], Points]:
    """The answers, and the points of the labels: those given, or else of the last vectors."""
    vectors: list[Vector] = list(struct.iter_unpack(f"<{embedded.width}f", embedded.vectors))
    if points is None:
        examples = sum(map(len, groups.values()))
        vectors, rest = vectors[:-examples], iter(vectors[-examples:])
        points = {label: point([next(rest) for _ in group]) for label, group in groups.items()}
    return [_one(i, text, scale, points) for i, text in enumerate(vectors)], points


def _one(index: int, text: Vector, scale: float, points: Points) -> Classification:
    similar = similarities(text, points)
    likely = scores(similar, scale)
    best = max(likely, key=lambda label: likely[label])
    return Classification(
        index=index, label=best, score=likely[best], scores=likely, similarities=similar
    )
