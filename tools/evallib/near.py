"""A stream of requests through the semantic cache, whose comparisons are judged by the labels."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from benchlib.http import Address, fetch

from edge_rt.api.caching import EXPLORED
from edge_rt.core.cached import Kept
from edge_rt.generation.cache.exact import ExactCache
from edge_rt.generation.cache.semantic import Comparison, Question, SemanticCache
from edge_rt.generation.cache.tables import Vector, vector
from evallib import EvalError
from evallib.hosting import Host
from evallib.intervals import Interval
from evallib.stream import Request

_BATCH = 64
_Z = 1.96


async def embedded(
    hosting: AbstractAsyncContextManager[Host], model: str, texts: Sequence[str]
) -> dict[str, Vector]:
    """Return each text's vector, by a model at what is hosted; raises EvalError."""
    found: dict[str, Vector] = {}
    todo = list(dict.fromkeys(texts))
    async with hosting as server:
        for at in range(0, len(todo), _BATCH):
            some = todo[at : at + _BATCH]
            found.update(zip(some, await _embed(server.address, model, some), strict=True))
    return found


async def _embed(address: Address, model: str, texts: Sequence[str]) -> list[Vector]:
    body: dict[str, object] = {"model": model, "input": list(texts)}
    body |= {"encoding_format": "base64", "edge": {"truncate": "end"}}
    response = await fetch(address, "POST", "/v1/embeddings", body)
    if response.status != 200:
        raise EvalError(f"{model} gives no embeddings: {response.body[:300].decode()}")
    rows = json.loads(response.body)["data"]
    return [vector(base64.b64decode(row["embedding"])) for row in rows]


@dataclass(frozen=True)
class Outcome:
    """What a request got: the request whose answer it was given; None: an answer of its own.

    `repeat` is whether one of the same meaning came before in other words.
    """

    request: Request
    repeat: bool
    given: Request | None

    @property
    def right(self) -> bool:
        """Whether it was given an answer, of its own meaning."""
        return self.given is not None and self.given.meaning == self.request.meaning

    @property
    def wrong(self) -> bool:
        """Whether it was given an answer of another meaning."""
        return self.given is not None and not self.right


class Replay:
    """Asks requests one after the other; those of the same text as an earlier one are left out."""

    def __init__(
        self, folder: Path, vectors: Mapping[str, Vector], wrong: float, draw: Callable[[], float]
    ) -> None:
        """`folder` takes the cache's file; `draw` decides which hits are answered anew."""
        store = ExactCache(folder / "s.db", ttl_s=math.inf, max_bytes=1 << 28, memory_bytes=1 << 26)
        self._cache = SemanticCache(store, most=100_000, wrong=wrong)
        self._vectors, self._draw = vectors, draw
        self._asked: dict[bytes, Request] = {}
        self._meanings: set[int] = set()

    @property
    def comparisons(self) -> int:
        """How many answers were compared so far."""
        return self._cache.compared.total()

    async def run(self, requests: Sequence[Request]) -> list[Outcome]:
        """Return what came of each request."""
        found = [
            await self._ask(request) for request in {one.text: one for one in requests}.values()
        ]
        await self._cache.close()
        return found

    async def _ask(self, request: Request) -> Outcome:
        question = Question(b"", request.text, self._vectors[request.text])
        near = await self._cache.find(question)
        hit = near is not None and near.passes and self._draw() >= EXPLORED
        self._cache.count(question.space, hit)
        repeat = request.meaning in self._meanings
        self._meanings.add(request.meaning)
        if near is not None and hit:
            return Outcome(request, repeat, self._asked[near.key])
        kept = Kept(sha256(request.text.encode()).digest(), "m", "", 0.0, b"")
        if near is not None:
            comparison = Comparison(question, kept, "", near, "")
            same = self._asked[near.key].meaning == request.meaning
            self._cache.learn(comparison, same)
        self._cache.keep(kept, question)
        self._asked[kept.key] = request
        return Outcome(request, repeat, None)


def share(count: int, n: int) -> Mapping[str, float | None] | None:
    """A share with Wilson's 95 % interval, which has a width for none and for all, too."""
    if n == 0:
        return None
    p, z2 = count / n, _Z * _Z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Interval(p, min(p, max(0.0, middle - half)), max(p, middle + half), n).as_json()
