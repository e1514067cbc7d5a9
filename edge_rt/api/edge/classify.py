"""POST /edge/v1/classify: which of some labels fits a text best."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from operator import mul
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.types import Send
from typing_extensions import override

from edge_rt.api.allowance import TextAllowance
from edge_rt.api.middleware.context import Context
from edge_rt.api.middleware.decode import describe
from edge_rt.api.middleware.respond import edge_headers, send_json
from edge_rt.api.task import Received, TextEndpoint, TextUsage, placed, vectors
from edge_rt.core.errors import RequestError, invalid
from edge_rt.core.events import Embedded
from edge_rt.generation.usage import Edge

SCALE = 20.0  # a similarity that is greater by 0.05 makes a label e times as likely

Vector = Sequence[float]
KEPT = 16  # sets of labels whose points are remembered

MAX_TEXTS, MAX_LABELS, MAX_EXAMPLES = 256, 64, 1024


def point(examples: Iterable[Vector]) -> Vector:
    """Return the point of a label, of length 1."""
    units = [_unit(example) for example in examples]
    return _unit([sum(numbers) for numbers in zip(*units, strict=True)])


def similarities(text: Vector, points: Mapping[str, Vector]) -> dict[str, float]:
    """Return the cosine between the embedding of a text and each label's point, -1 to 1."""
    unit = _unit(text)
    return {label: sum(map(mul, unit, point)) for label, point in points.items()}


def similarity(one: Vector, other: Vector) -> float:
    """Return the cosine between two embeddings, -1 to 1; 0 where one is all zeros."""
    return sum(map(mul, _unit(one), _unit(other)))


def scores(similar: Mapping[str, float], scale: float) -> dict[str, float]:
    """Return the softmax of `scale` times the similarities: 0 to 1, 1 in all."""
    most = max(similar.values())
    weights = {label: math.exp(scale * (value - most)) for label, value in similar.items()}
    whole = sum(weights.values())
    return {label: weight / whole for label, weight in weights.items()}


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(map(mul, vector, vector)))
    return [number / length for number in vector] if length else vector


Words = Annotated[str, Meta(min_length=1)]
Groups = dict[str, tuple[str, ...]]
"""The examples of each label."""


class ClassifyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`labels` are names, or names with texts that belong to them, be it one that describes them.

    A field that is null is a field left out.
    """

    input: Words | Annotated[list[Words], Meta(min_length=1, max_length=MAX_TEXTS)]
    """The texts."""
    labels: list[Words] | dict[str, Words | Annotated[list[Words], Meta(min_length=1)]]
    """Names of labels, or names with texts that belong to each."""
    model: str | None = None
    """Id of an embedding model."""
    scale: Annotated[float, Meta(gt=0, le=1000)] = SCALE
    """What similarities are multiplied with before the softmax."""
    edge: TextAllowance | None = None
    """What the request may take."""

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input

    @property
    def groups(self) -> Groups:
        """The examples of each label; its name where it has none.

        RequestError when there are too few labels or too much of anything.
        """
        given = self.labels
        if isinstance(given, list):
            groups = {label: (label,) for label in given}
        else:
            groups = {
                label: (texts,) if isinstance(texts, str) else tuple(texts)
                for label, texts in given.items()
            }
        if len(groups) != len(given) or not 2 <= len(groups) <= MAX_LABELS:
            what = f"expected 2 to {MAX_LABELS} different labels, got {len(groups)}"
            raise invalid("labels", what)
        examples = sum(map(len, groups.values()))
        if examples > MAX_EXAMPLES:
            what = f"expected at most {MAX_EXAMPLES} examples in all, got {examples}"
            raise invalid("labels", what)
        return groups

    @property
    def fields(self) -> list[str]:
        """Where each text stands: the texts, then the examples."""
        texts = [f"input[{at}]" for at in range(len(self.texts))]
        fields = ["input"] if isinstance(self.input, str) else texts
        if isinstance(self.labels, list):
            return fields + [f"labels[{at}]" for at in range(len(self.labels))]
        for label, given in self.labels.items():
            name = f"labels.{describe(label)[1:-1]}"
            many = [f"{name}[{at}]" for at in range(len(given))]
            fields += [name] if isinstance(given, str) else many
        return fields


Points = dict[str, Vector]


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


class Classify(TextEndpoint[ClassifyRequest]):
    """Score texts against labels.

    Texts and examples are embedded in one go, the examples of labels used lately only once.
    """

    body = ClassifyRequest

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._kept: dict[bytes, Points] = {}  # those used last are last

    @override
    async def answer(self, request: Received, send: Send) -> None:
        asked = self.read(request)
        groups, texts = asked.groups, asked.texts
        card = self.card(request, asked.model, "embedding")
        key = _key(card.sha256, groups, asked.edge.side if asked.edge else None)
        points = self._kept.get(key)
        examples = [text for group in groups.values() for text in group] if points is None else []
        try:
            embedded, edge = await self.embed(request, card, [*texts, *examples], asked.edge)
        except RequestError as error:
            raise placed(error, asked.fields) from None
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
    """Return in few bytes what the points depend on: examples may be long, and cut at one side."""
    return hashlib.sha256(msgspec.msgpack.encode((sha256, list(groups.items()), side))).digest()


def _data(
    embedded: Embedded, scale: float, groups: Groups, points: Points | None
) -> tuple[list[Classification], Points]:
    """Return the answers, and the points of the labels.

    Labels are those given, or else those of the last vectors.
    """
    texts = vectors(embedded)
    if points is None:
        examples = sum(map(len, groups.values()))
        texts, rest = texts[:-examples], iter(texts[-examples:])
        points = {label: point([next(rest) for _ in group]) for label, group in groups.items()}
    return [_one(i, text, scale, points) for i, text in enumerate(texts)], points


def _one(index: int, text: Vector, scale: float, points: Points) -> Classification:
    similar = similarities(text, points)
    likely = scores(similar, scale)
    best = max(likely, key=lambda label: likely[label])
    return Classification(
        index=index, label=best, score=likely[best], scores=likely, similarities=similar
    )
