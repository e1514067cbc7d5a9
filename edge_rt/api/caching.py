"""The cache as requests meet it: answers to the same question, and to one with the same meaning."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec.structs import replace

from edge_rt.api.allowance import Allowance, Cached, grant
from edge_rt.api.asked import RecentRequests
from edge_rt.api.kept import (
    DECODER,
    NOBODY,
    AskedQuestion,
    Found,
    Place,
    Record,
    Topic,
    texts,
)
from edge_rt.api.meters import Meters
from edge_rt.api.service import Service
from edge_rt.core.cached import digest
from edge_rt.core.errors import EdgeError, NotCached, RequestError
from edge_rt.core.events import Started
from edge_rt.core.logs import Trouble
from edge_rt.core.requests import EmbedCall
from edge_rt.generation.cache.exact import ExactCache
from edge_rt.generation.cache.tables import vector
from edge_rt.generation.usage import tallied

if TYPE_CHECKING:
    from edge_rt.generation.cache.semantic import SemanticCache

EXPLORED = 0.05  # share of the semantic hits that are answered anew, so that they are compared, too
LONGEST_TEXT = 2000  # characters; longer texts are seldom alike, and not looked for
_TOO_LONG = "context_length_exceeded"
log = logging.getLogger(__name__)


def not_cached(place: Place | None) -> NotCached:
    """Return the error for a request that accepts nothing but an answer from the cache."""
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
        """`cache` None: nothing is kept.

        `clock` gives Unix seconds, `simulated` the id of the simulated board that is read, if any.

        With `per_client` each client gets its own answers only, with `nearby` also those to
        questions that mean the same.
        """
        self.cache, self.per_client, self.nearby = cache, per_client, nearby
        self.hits: Counter[str] = Counter()  # by model
        self.saved_j: defaultdict[str, float] = defaultdict(float)  # by model, as far as known
        self.misses = 0
        self.restored_prompts = self.restored_tokens = 0  # in part from the disk
        self.flights = Flights()
        self.recent = RecentRequests()
        self._clock, self._simulated = clock, simulated

    def serves(self, client: str | None) -> bool:
        """Return whether answers are kept for `client`.

        None is one that cannot be told from others.
        """
        return self.cache is not None and not (self.per_client and client is None)

    def keeper(self, client: str | None, wanted: Cached | None) -> str | None:
        """Return the client for which beginnings of its prompts are kept on disk; None: nobody."""
        return (client or NOBODY) if self.serves(client) and wanted != "off" else None

    def restored(self, started: Started) -> None:
        """Count a prompt that is about to be read."""
        self.restored_prompts += started.restored_tokens > 0
        self.restored_tokens += started.restored_tokens

    async def find(self, place: Place) -> Found | None:
        """Return what was answered before to the very same question, if anything was."""
        if place.terms.cache == "refresh":
            return None
        found = await self._read(place.key, place)
        return None if found is None else self._counted(found)

    async def read(self, place: Place, arrived_s: float, app: str) -> AskedQuestion | None:
        """Return the question of a request by `app` that came at `arrived_s`.

        It is there to look for others that mean the same; None where none is looked for.
        """
        if self.nearby is None or place.topic is None:
            return None
        return await self.nearby.read(place.topic, place.terms, arrived_s, app)

    async def find_near(self, place: Place, asked: AskedQuestion) -> Found | None:
        """Return what was answered before to a question that means the same, if anything was.

        A few of these are answered by a model all the same, and compared with the kept answer.
        """
        nearby = self.nearby
        if nearby is None or place.terms.cache == "refresh":
            return None
        while (near := await nearby.cache.find(asked.question)) is not None:
            found = await self._read(near.key, place)
            if found is None:
                nearby.cache.forget(near.key)
                continue
            hit = near.passes and (place.terms.cache == "only" or nearby.draw() >= EXPLORED)
            nearby.cache.count(asked.question.space, hit)
            if hit:
                nearby.hits += 1
                return self._counted(replace(found, near=near, cost=asked.cost))
            asked.rival = near, texts(found.content.lines)
            return None
        nearby.cache.count(asked.question.space, False)
        return None

    def missed(self, place: Place) -> None:
        """Count a request for which nothing was found."""
        self.misses += place.terms.cache != "refresh"

    def record(self, place: Place, asked: AskedQuestion | None = None) -> Record | None:
        """Return what notes the answer of a request; None where that is not to be kept."""
        if self.cache is None or place.terms.cache == "only":
            return None
        nearby = None if self.nearby is None else self.nearby.cache
        return Record(self.cache, place, self._clock, nearby, asked)

    async def _read(self, key: bytes, place: Place) -> Found | None:
        kept = None if self.cache is None else await self.cache.find(key)
        if kept is None:
            return None
        card = next((one for one in place.cards if one.id == kept.model), None)
        if card is None:
            return None
        content = DECODER.decode(kept.content).on(self._simulated())
        return Found(card, round(self._clock() - kept.made, 3), kept, content)

    def _counted(self, found: Found) -> Found:
        """Count an answer that is given again, and return it."""
        self.hits[found.card.id] += 1
        if (energy_j := found.content.energy_j) is not None:
            # Beside others that came and went, it may have been made for less than nothing.
            self.saved_j[found.card.id] += max(0.0, energy_j)
        return found


class Nearby:
    """Questions as vectors, which an embedding model makes, and the cache that holds them."""

    def __init__(
        self,
        cache: SemanticCache,
        model: str,
        service: Service,
        meters: Meters,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`model` is the id of the embedding model, which need not be there yet.

        `draw` gives a number from 0 to 1 for each answer that may be given again.
        """
        self.cache, self.model, self.draw = cache, model, draw
        self.hits = 0  # since the start
        self._service, self._meters = service, meters
        self._trouble = Trouble(log, "answers to similar questions are not looked for")

    async def read(
        self, topic: Topic, allowance: Allowance | None, arrived_s: float, app: str
    ) -> AskedQuestion | None:
        """Return the question of a request by `app` that came at `arrived_s` with that allowance.

        None where there is no embedding now: the request goes on without, for it can be answered.
        """
        try:
            card = self._service.able(self.model, "embedding")
            [call] = grant([EmbedCall(card.id, [topic.text])], allowance, arrived_s, app=app)
            embedded, cost = await self._service.tasks.embed(call)
        except EdgeError as error:
            if not (isinstance(error, RequestError) and error.code == _TOO_LONG):
                self._trouble.met(str(error))
            return None
        self._trouble.over()
        self._meters.generated(card.id, tallied(embedded.timings, cost))
        space = digest(card.id, card.sha256)  # vectors of two models tell nothing
        from edge_rt.generation.cache.semantic import Question

        point = vector(embedded.vectors)
        return AskedQuestion(Question(digest(topic.scope, space), topic.text, point, space), cost)


class Flights:
    """Tracks questions under way, by keys of the cache, and tells when each has ended.

    Nobody waits for ever: a client that does not read its answer is cut off.
    """

    def __init__(self) -> None:
        self._flying: dict[bytes, asyncio.Future[bool]] = {}  # whether it ended well

    @contextmanager
    def made(self, key: bytes) -> Generator[None, None, None]:
        """While the answer of that key is being made; the first who makes it counts."""
        ended = asyncio.get_running_loop().create_future()
        first = self._flying.setdefault(key, ended) is ended
        well = False
        try:
            yield
            well = True
        finally:
            if first:
                del self._flying[key]
                ended.set_result(well)

    async def landed(self, key: bytes) -> bool:
        """Wait for the answer of that key; False where nobody makes it.

        Where it failed or its client left, one of the waiting requests is told so, to make it.
        """
        while (ended := self._flying.get(key)) is not None:
            if await asyncio.shield(ended):
                return True
        return False
