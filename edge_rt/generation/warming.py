"""Reading of prefixes ahead of the requests that begin with them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from edge_rt.core.clock import Pause
from edge_rt.core.decoding import Sampling
from edge_rt.core.errors import EdgeError, EngineError, Unavailable
from edge_rt.core.occupancy import Occupancy
from edge_rt.core.requests import Call, Event, Plan
from edge_rt.engine.client import EngineLost
from edge_rt.engine.model_pool import ModelPool
from edge_rt.generation.state import Problem
from edge_rt.models.loading import resident_name
from edge_rt.models.record import ModelRecord

CLIENT = "warm"  # for whom the engine keeps these prefixes on the disk
SETTLE_S = 0.5  # without requests before anything is read
RETRY_S = 30.0  # after a refusal that will not last

log = logging.getLogger(__name__)


class WarmPrefix(msgspec.Struct, frozen=True):
    """How far one entry of `warm` has come; `tokens` are those of its prefix, None: not known.

    "warm": the engine has read it; "waiting": it is going to; "not loaded": its model is not in
    memory; "failed": it cannot be read, and `why` tells the reason.
    """

    model: str
    state: Literal["warm", "waiting", "not loaded", "failed"] = "waiting"
    tokens: int | None = None
    why: str | None = None


def warm_problems(prefixes: Iterable[WarmPrefix]) -> Iterator[Problem]:
    """Yield what keeps prefixes from being read, for the status."""
    for one in prefixes:
        if one.state == "failed":
            yield Problem("warm", f"a prefix of `warm` for {one.model} is not read: {one.why}")


@dataclass(eq=False)
class Prefix:
    """An entry of `warm`: its model, and the functions that find that and write the prefix.

    Both raise EdgeError.
    """

    model: str
    find: Callable[[], ModelRecord]
    write: Callable[[], Awaitable[str]]
    told: WarmPrefix = field(init=False)

    def __post_init__(self) -> None:
        self.told = WarmPrefix(self.model)


class Warming:
    """Has the engine read prefixes while no request of a client is under way.

    After a model is loaded, and after requests, it checks whether the engine still has them. A new
    request goes first: tokens read so far are kept, and the others are read later.
    """

    def __init__(
        self,
        prefixes: Sequence[Prefix],
        occupancy: Occupancy,
        pool: ModelPool,
        generate: Callable[[Call], AsyncGenerator[Event, None]],
        pause: Pause = asyncio.sleep,
    ) -> None:
        """`generate` runs a call, governed and booked as any; `pause` lets seconds pass."""
        self._prefixes, self._occupancy, self._pool = prefixes, occupancy, pool
        self._generate, self._pause = generate, pause
        self._woken = asyncio.Event()  # there is reason to look again
        self._moved = asyncio.Event()  # requests came or went
        self._reading: asyncio.Task[None] | None = None
        if prefixes:
            occupancy.changed, pool.on_load = self._hear, self._woken.set

    def report(self) -> list[WarmPrefix]:
        """Return how far each prefix has come, as of the last look."""
        return [prefix.told for prefix in self._prefixes]

    async def run(self) -> None:
        """Look and read, forever."""
        while True:
            self._woken.clear()
            for prefix in self._prefixes:
                await self._idle()
                prefix.told = await self._look(prefix)
            waiting = any(one.state == "waiting" for one in self.report())
            await self._wake(RETRY_S if waiting else None)

    def _hear(self) -> None:
        """Note that requests came or went, of clients or for what is read ahead."""
        if self._reading is not None:
            if self._occupancy.sent <= 0:
                return
            self._reading.cancel()
        self._woken.set()
        self._moved.set()

    async def _wake(self, most_s: float | None) -> None:
        waiting = asyncio.ensure_future(self._woken.wait())
        await asyncio.wait((waiting,), timeout=most_s)
        waiting.cancel()

    async def _idle(self) -> None:
        """Wait until there were no requests for a while."""
        while True:
            self._moved.clear()
            if self._occupancy.active:
                await self._moved.wait()
            else:
                await self._pause(SETTLE_S)
                if not self._moved.is_set():
                    return

    async def _look(self, prefix: Prefix) -> WarmPrefix:
        try:
            found = await self._warmed(prefix)
        except (Unavailable, EngineError) as error:
            return WarmPrefix(prefix.model, "waiting", prefix.told.tokens, str(error))
        except EdgeError as error:
            found = WarmPrefix(prefix.model, "failed", why=str(error))
        if found.state == "failed" and found != prefix.told:
            log.warning("warm: a prefix for %s is not read: %s", prefix.model, found.why)
        return found

    async def _warmed(self, prefix: Prefix) -> WarmPrefix:
        entry = prefix.find()
        if self._pool.get(resident_name(entry)) is None:
            return WarmPrefix(prefix.model, "not loaded")
        text = await prefix.write()
        tokens, missing = await self._missing(entry, text)
        if missing:
            prefix.told = WarmPrefix(prefix.model, "waiting", tokens)
            if not await self._read(entry, text):
                return prefix.told
            tokens, missing = await self._missing(entry, text)
        if missing:
            why = "the engine does not keep what it reads of this model"
            return WarmPrefix(prefix.model, "failed", tokens, why)
        return WarmPrefix(prefix.model, "warm", tokens)

    async def _missing(self, entry: ModelRecord, text: str) -> tuple[int, bool]:
        """Return the tokens of a prefix, and whether the engine lacks any.

        The last is always read.
        """
        resident = self._pool.get(resident_name(entry))
        if resident is None:
            raise EngineLost("the model is not loaded any more")
        name, path = resident_name(entry), str(entry.path)
        told = resident.client.count(name, entry.backend, path, text, special=True)
        tokens, cached = await told
        return tokens, cached < tokens - 1

    async def _read(self, entry: ModelRecord, text: str) -> bool:
        """Read a prefix; return whether it was read to its end."""
        call = Call(
            plan=Plan(entry.id),
            prompt=text,
            special=True,
            sampling=Sampling(temperature=0.0),
            max_tokens=1,
            ignore_eos=True,
            client=CLIENT,
            pin=True,
        )
        self._reading = task = asyncio.create_task(self._through(call))
        try:
            await asyncio.wait((task,))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._reading = None
        if task.cancelled():
            return False
        task.result()
        return True

    async def _through(self, call: Call) -> None:
        self._occupancy.ahead += 1
        try:
            async with aclosing(self._generate(call)) as events:
                async for _ in events:
                    pass
        finally:
            self._occupancy.ahead -= 1
