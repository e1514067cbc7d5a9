"""What the semantic cache would do with pairs of texts, and with many questions at once."""

from __future__ import annotations

import base64
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchlib.http import Address, fetch

from edge_rt.generation.cache.semantic import LEAST, Verdict, judge
from edge_rt.generation.cache.tables import Vector, nearest, vector
from edge_rt.generation.cache.wording import wording
from evallib import EvalError
from evallib.intervals import Interval
from evallib.pairs import Pair

_BATCH = 64
_LOOKS = 4  # neighbours of a question that are judged, as the daemon does
_Z = 1.96
Row = dict[str, Any]


@dataclass(frozen=True)
class Reader:
    """Has texts embedded by the model at a server."""

    address: Address
    model: str

    async def read(self, texts: Sequence[str]) -> dict[str, Vector]:
        """Each text's vector; raises EvalError."""
        found: dict[str, Vector] = {}
        todo = list(dict.fromkeys(texts))
        for at in range(0, len(todo), _BATCH):
            some = todo[at : at + _BATCH]
            found.update(zip(some, await self._embed(some), strict=True))
        return found

    async def _embed(self, texts: Sequence[str]) -> list[Vector]:
        body = {"model": self.model, "input": list(texts), "encoding_format": "base64"}
        response = await fetch(self.address, "POST", "/v1/embeddings", body)
        if response.status != 200:
            raise EvalError(f"{self.model} gives no embeddings: {response.body[:300].decode()}")
        rows = json.loads(response.body)["data"]
        return [vector(base64.b64decode(row["embedding"])) for row in rows]


def verdicts(pairs: Sequence[Pair], vectors: Mapping[str, Vector]) -> list[Verdict]:
    """Return how near the texts of each pair lie."""

    def read(text: str) -> Any:
        return wording(text), vectors[text]

    return [judge(read(pair.one), read(pair.other)) for pair in pairs]


def row(name: str, found: Sequence[Verdict], limit: float, alone: float) -> Row:
    """Count the pairs that the cache would answer with one answer, and what kept others apart.

    `alone` is a cosine, of which is told how many reach it, without any guard or second look.
    """
    n = len(found)
    hits = [verdict.passes(limit) for verdict in found]
    close = [verdict for verdict in found if verdict.cosine >= LEAST]
    guards = Counter(verdict.guard or "doubt" for verdict in close if not verdict.passes(limit))
    return {
        "name": name,
        "n": n,
        "hits": sum(hits),
        "share": share(sum(hits), n),
        "by_cosine_alone": share(sum(v.cosine >= alone for v in found), n),
        "too_far": len(found) - len(close),
        "kept_apart": dict(guards.most_common()),
    }


def neighbours(
    questions: Sequence[tuple[str, str]], vectors: Mapping[str, Vector], limit: float
) -> Row:
    """Each question asked when all the others were answered: hits, and those on another matter."""
    known = {str(at).encode(): text for at, (text, _) in enumerate(questions)}
    among = list(known), [vectors[text] for text in known.values()]
    taken = {text: (wording(text), vectors[text]) for text in known.values()}
    hits = others = 0
    for text, about in questions:
        near = nearest(vectors[text], *among, LEAST, _LOOKS + 1)
        found = [
            (judge(taken[text], taken[known[key]]), key) for _, key in near if known[key] != text
        ]
        passing = [(verdict.doubt, key) for verdict, key in found if verdict.passes(limit)]
        if passing:
            hits += 1
            others += questions[int(min(passing)[1])][1] != about
    n = len(questions)
    return {
        "name": "BANKING77, each among the others",
        "n": n,
        "hits": hits,
        "share": share(hits, n),
        "on_another_matter": others,
        "share_of_hits": share(others, hits),
    }


def share(count: int, n: int) -> Mapping[str, float | None] | None:
    """A share with Wilson's 95 % interval, which has a width for none and for all, too."""
    if n == 0:
        return None
    p, z2 = count / n, _Z * _Z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Interval(p, min(p, max(0.0, middle - half)), max(p, middle + half), n).as_json()
