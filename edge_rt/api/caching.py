"""The cache as requests meet it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import UNSET
from msgspec.structs import replace

from edge_rt.api.allowance import Cached, Terms
from edge_rt.api.nearby import AskedQuestion, Near, Nearby, Topic
from edge_rt.core.cached import Kept
from edge_rt.core.chat_format import Reading
from edge_rt.core.errors import NotCached
from edge_rt.core.requests import Cost, ModelCard, Plan
from edge_rt.engine.protocol import Delta, Finished, Started
from edge_rt.generation.cache.exact import ExactCache
from edge_rt.generation.kept import Flights, KeptContent, Line, from_bytes, line, to_bytes
from edge_rt.generation.usage import Tally

if TYPE_CHECKING:
    from edge_rt.generation.cache.semantic import Neighbour

NOBODY = "unknown"  # in place of a client that the connection does not tell
_SHOWN = 120  # characters of a question

_NOTHING = Cost(energy_j=0.0, quality="modelled", power_w=None, temp_c=None, seconds=0.0)


@dataclass(frozen=True)
class Place:
    """Where the answer to a request is kept, or is to be, and by which models it may be.

    `client` is None where it is not known. `terms` are those of the request. `topic` is its
    question, None: only an answer to the very same question will do.
    """

    key: bytes
    client: str | None
    terms: Terms
    cards: Sequence[ModelCard]
    topic: Topic | None = None

    @property
    def wanted(self) -> Cached | None:
        """What the request wants of the cache."""
        return self.terms.cache

    @property
    def shared(self) -> bool:
        """Whether the answer that is being made to another request will do as well.

        Who has no time to lose does not wait for it.
        """
        return self.wanted not in ("refresh", "only") and self.terms.latency_s is None


@dataclass(frozen=True)
class Found:
    """An answer that a model gave `age_s` seconds ago; `near` has the question where that was
    another one.
    """

    card: ModelCard
    age_s: float
    content: KeptContent
    near: Near | None = None

    @property
    def cost(self) -> Cost:
        """What finding it took."""
        return _NOTHING if self.near is None else self.near.cost

    def told(self) -> dict[str, Any]:
        """What clients are told of it; see Origin."""
        content = self.content
        return {
            "cache": "exact" if self.near is None else "semantic",
            "cache_age_s": round(self.age_s, 3),
            "cache_energy_j": content.energy_j and round(content.energy_j, 4),
            "cache_energy_quality": content.quality,
            "cache_seconds": round(content.seconds, 3),
            "simulated": content.simulated or UNSET,
            **({} if self.near is None else _told(self.near.neighbour)),
        }


def not_cached(place: Place | None) -> NotCached:
    """The error for a request that accepts nothing but an answer from the cache."""
    wanted = '`edge.cache` is "only", and'
    if place is not None:
        advice = 'with "use" a model answers it'
        return NotCached(f"{wanted} no answer to this is kept: {advice}")
    reason = "the cache is off, or cannot tell this client from others"
    return NotCached(f"{wanted} nothing is kept for this request: {reason}")


class Caching:
    """Finds answers, has new ones kept, and counts what that brought since the start."""

    def __init__(
        self,
        cache: ExactCache | None,
        clock: Callable[[], float],
        *,
        per_client: bool = False,
        nearby: Nearby | None = None,
        simulated: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`cache` None: nothing is kept. `clock` gives Unix seconds, `simulated` the id of the
        simulated board that is read, if any.

        With `per_client` each client gets its own answers only, with `nearby` also those to
        questions that mean the same.
        """
        self.cache, self.per_client, self.nearby = cache, per_client, nearby
        self.hits: Counter[str] = Counter()  # by model
        self.saved_j: defaultdict[str, float] = defaultdict(float)  # by model, as far as known
        self.misses = 0
        self.restored_prompts = self.restored_tokens = 0  # in part from the disk
        self.flights = Flights()
        self._clock, self._simulated = clock, simulated

    def serves(self, client: str | None) -> bool:
        """Whether answers are kept for `client`; None is one that cannot be told from others."""
        return self.cache is not None and not (self.per_client and client is None)

    def keeper(self, client: str | None, wanted: Cached | None) -> str | None:
        """The client for which beginnings of its prompts are kept on disk; None: nobody."""
        return (client or NOBODY) if self.serves(client) and wanted != "off" else None

    def restored(self, started: Started) -> None:
        """Count a prompt that is about to be read."""
        self.restored_prompts += started.restored_tokens > 0
        self.restored_tokens += started.restored_tokens

    async def find(self, place: Place) -> Found | None:
        """What was answered before to the very same question, if anything was."""
        if place.wanted == "refresh":
            return None
        return await self._find(place.key, place)

    async def read(self, place: Place, arrived_s: float) -> AskedQuestion | None:
        """The question of a request that came at `arrived_s`, to look for others that mean the
        same; None where none is looked for.
        """
        if self.nearby is None or place.topic is None:
            return None
        return await self.nearby.read(place.topic, place.terms, arrived_s)

    async def find_near(self, place: Place, asked: AskedQuestion) -> Found | None:
        """What was answered before to a question that means the same, if anything was."""
        if self.nearby is None or place.wanted == "refresh":
            return None
        while (neighbour := await self.nearby.cache.find(asked.question)) is not None:
            found = await self._find(neighbour.key, place, Near(neighbour, asked.cost))
            if found is not None:
                self.nearby.hits += 1
                return found
            self.nearby.cache.forget(neighbour.key)
        return None

    def missed(self, place: Place) -> None:
        """Count a request for which nothing was found."""
        self.misses += place.wanted != "refresh"

    async def forget(self, key: bytes) -> None:
        """Forget the answer that is kept under a key."""
        if self.cache is not None:
            await self.cache.forget(key)

    def record(self, place: Place, asked: AskedQuestion | None = None) -> Record | None:
        """What notes the answer of a request; None where that is not to be kept."""
        if self.cache is None or place.wanted == "only":
            return None
        return Record(self.cache, place, self._clock, self.nearby, asked)

    async def _find(self, key: bytes, place: Place, near: Near | None = None) -> Found | None:
        kept = None if self.cache is None else await self.cache.find(key)
        card = None if kept is None else _of(kept.model, place.cards)
        if kept is None or card is None:
            return None
        content = from_bytes(kept.content).on(self._simulated())
        found = Found(card, self._clock() - kept.made, content, near)
        self.hits[card.id] += 1
        if (energy_j := found.content.energy_j) is not None:
            # Beside others that came and went, it may have been made for less than nothing.
            self.saved_j[card.id] += max(0.0, energy_j)
        return found


class Record:
    """Notes the events of one request, and has its answer kept."""

    def __init__(
        self,
        cache: ExactCache,
        place: Place,
        clock: Callable[[], float],
        nearby: Nearby | None,
        asked: AskedQuestion | None,
    ) -> None:
        """`asked` is the question, where it is to be remembered by what it means."""
        self._cache, self._place, self._clock = cache, place, clock
        self._nearby, self._asked = nearby, asked
        self._lines: list[Line] = []

    def take(self, call: int, event: Started | Delta | Finished) -> None:
        """Note one event."""
        self._lines.append(line(call, event))

    def close(self, plan: Plan, tally: Tally, reading: Reading | None = None) -> None:
        """Keep the complete answer and how it is read, unless it is less than was asked for.

        That is so where another model stood in, or the request's allowance ended it.
        """
        costs = tally.costs
        if plan.asked is not None or plan.less is not None or costs.why is not None:
            return
        content = KeptContent(
            route=plan.why,
            mode=None if plan.mode is None else replace(plan.mode, prompt=None),
            energy_j=costs.energy_j,
            quality=costs.quality,
            seconds=max((cost.seconds for cost in costs.taken), default=0.0),
            lines=self._lines,
            simulated=costs.simulated,
            reading=reading,
        )
        kept = Kept(
            key=self._place.key,
            model=plan.model,
            client=self._place.client or NOBODY,
            made=self._clock(),
            content=to_bytes(content),
        )
        self._cache.keep(kept)
        if self._nearby is not None and self._asked is not None:
            self._nearby.cache.keep(kept, self._asked.question)


def _told(neighbour: Neighbour) -> dict[str, Any]:
    text = neighbour.text
    return {
        "cache_question": text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…",
        "cache_cosine": round(neighbour.cosine, 4),
        "cache_doubt": round(neighbour.doubt, 4),
    }


def _of(id: str, cards: Sequence[ModelCard]) -> ModelCard | None:
    return next((card for card in cards if card.id == id), None)
