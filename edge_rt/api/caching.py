"""The cache as requests meet it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from edge_rt.api.allowance import Cached
from edge_rt.api.content import Content, Line, from_bytes, line, to_bytes
from edge_rt.api.service import ModelCard, Serving
from edge_rt.api.usage import Tally
from edge_rt.cache.exact import ExactCache
from edge_rt.cache.kept import Kept
from edge_rt.engine.protocol import Delta, Finished, Started
from edge_rt.errors import NotCached

NOBODY = "unknown"  # in place of a client that the connection does not tell


@dataclass(frozen=True)
class Place:
    """Where the answer to a request is kept, or is to be, and by which models it may be.

    `client` is who asks, None: not known. `wanted` is what the request says.
    """

    key: bytes
    client: str | None
    wanted: Cached | None
    cards: Sequence[ModelCard]


@dataclass(frozen=True)
class Found:
    """An answer that a model gave `age_s` seconds ago."""

    card: ModelCard
    age_s: float
    content: Content

    def told(self) -> dict[str, Any]:
        """What clients are told of it; see Origin."""
        content = self.content
        return {
            "cache": "exact",
            "cache_age_s": round(self.age_s, 3),
            "cache_energy_j": content.energy_j and round(content.energy_j, 4),
            "cache_energy_quality": content.quality,
            "cache_seconds": round(content.seconds, 3),
        }


def not_cached(place: Place | None) -> NotCached:
    """The error for who wants nothing but an answer from the cache."""
    wanted = '`edge.cache` is "only", and'
    if place is not None:
        advice = 'with "use" it is answered anew'
        return NotCached(f"{wanted} this was not answered of late: {advice}")
    reason = "the cache is off, or cannot tell this client from others"
    return NotCached(f"{wanted} nothing is kept for this request: {reason}")


class Caching:
    """Finds answers, has new ones kept, and counts what that brought since the start."""

    def __init__(
        self, cache: ExactCache | None, clock: Callable[[], float], *, per_client: bool = False
    ) -> None:
        """`cache` None: nothing is kept. `clock` gives Unix seconds.

        With `per_client` each client gets its own answers only.
        """
        self.cache, self.per_client = cache, per_client
        self.hits: Counter[str] = Counter()  # by model
        self.saved_j: defaultdict[str, float] = defaultdict(float)  # by model, as far as known
        self.misses = 0
        self._clock = clock

    def serves(self, client: str | None) -> bool:
        """Whether answers are kept for `client`; None is one that cannot be told from others."""
        return self.cache is not None and not (self.per_client and client is None)

    async def find(self, place: Place) -> Found | None:
        """What was answered before, if anything was."""
        if self.cache is None or place.wanted == "refresh":
            return None
        kept = await self.cache.find(place.key)
        card = None if kept is None else _of(kept.model, place.cards)
        if kept is None or card is None:
            self.misses += 1
            return None
        found = Found(card, self._clock() - kept.made, from_bytes(kept.content))
        self.hits[card.id] += 1
        # Beside others that came and went, it may have been made for less than nothing.
        self.saved_j[card.id] += max(0.0, found.content.energy_j or 0.0)
        return found

    def record(self, place: Place) -> Record | None:
        """What notes the answer of a request; None where that is not to be kept."""
        if self.cache is None or place.wanted == "only":
            return None
        return Record(self.cache, place, self._clock)


class Record:
    """Notes the events of one request, and has its answer kept."""

    def __init__(self, cache: ExactCache, place: Place, clock: Callable[[], float]) -> None:
        self._cache, self._place, self._clock = cache, place, clock
        self._lines: list[Line] = []

    def take(self, call: int, event: Started | Delta | Finished) -> None:
        """Note one event."""
        self._lines.append(line(call, event))

    def close(self, serving: Serving, tally: Tally) -> None:
        """Keep the answer, which is complete, unless it is less than what was asked for.

        That is so where another model stood in, or the request's allowance ended it.
        """
        costs = tally.costs
        if serving.asked is not None or serving.why is not None or costs.why is not None:
            return
        content = Content(
            route=serving.route,
            mode=None if serving.mode is None else replace(serving.mode, prompt=None),
            energy_j=costs.energy_j,
            quality=costs.quality,
            seconds=max((cost.seconds for cost in costs.taken), default=0.0),
            lines=self._lines,
        )
        key, client = self._place.key, self._place.client or NOBODY
        self._cache.keep(Kept(key, serving.card.id, client, self._clock(), to_bytes(content)))


def _of(id: str, cards: Sequence[ModelCard]) -> ModelCard | None:
    return next((card for card in cards if card.id == id), None)
