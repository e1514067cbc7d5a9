"""Which models are in the engine's memory, and who is using them."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

from edge_rt.core.errors import EdgeError, ModelFileError, Unavailable
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.process import LESS, Attempt, ExitReason, Failures
from edge_rt.engine.protocol import Loaded, ModelSpec

log = logging.getLogger(__name__)

RETRY_S = 5.0  # when other models in use leave no room
ALONE_RETRY_S = 60.0  # when there is none even without them: other programs must free some
LOAD_S = 120.0  # that any load may take,
SLOW_BYTES_S = 1e6  # and a second more for so many bytes: disks may be that slow
TWICE_S = 600.0  # within which two engines that a model was alone in have it refused


@dataclass(frozen=True)
class LoadRequest:
    """A model to be loaded, and the bytes of memory that it will take.

    `mapped_bytes` are pages of its file, which the kernel counts as available; `gpu_bytes` are
    those of a GPU.
    """

    model: str
    spec: ModelSpec
    need_bytes: int
    mapped_bytes: int = 0
    gpu_bytes: int = 0

    @property
    def file(self) -> object:
        """What models have in common whose weights are in memory once."""
        return self.spec.backend, self.spec.path, self.spec.gpu_layers


Prepare = Callable[[], Awaitable[LoadRequest]]
"""Makes ready what is to be loaded; see ModelPool.use."""


@dataclass(eq=False)
class Resident:
    """A loaded model."""

    wanted: LoadRequest
    client: EngineClient
    loaded: Loaded
    users: int
    used_s: float  # clock reading of its last use
    loaded_s: float  # and of the end of its load

    @property
    def mapped_bytes(self) -> int:
        """The pages of its file that are in memory; a GPU that shares it has a copy of its own."""
        shared = any(gpu.shared for gpu in self.client.gpus)
        copied = self.wanted.spec.gpu_share if shared else 0.0
        return int(self.wanted.mapped_bytes * (1.0 - copied))


class ModelPool:
    """Loads models on demand, one at a time, and unloads the least recently used.

    A model is loaded if `available` bytes less `reserve` hold it; unused models make room. A failed
    load is not repeated for a while, but one in another way is.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[EngineClient]],
        *,
        available: Callable[[], int],
        reserve_bytes: int,
        clock: Callable[[], float],
        limit: Callable[[], str] = lambda: "",
        spare: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """`connect` gives the live engine, `available` the free bytes, `clock` seconds.

        `limit` says what bounds those bytes; empty: the board's memory. `spare` ends what else the
        daemon keeps in memory and nobody uses, and returns whether there was such.
        """
        self._connect = connect
        self._available = available
        self._reserve = reserve_bytes
        self._clock = clock
        self._limit = limit
        self._spare = spare
        self._lock = asyncio.Lock()
        self._residents: dict[str, Resident] = {}
        self._failures = Failures(clock)
        self._client: EngineClient | None = None  # of the engine that models were last loaded in
        self._ended_s: dict[Attempt, float] = {}  # when engines ended in a load, or with one model
        self._loads: set[asyncio.Task[None]] = set()
        self._wanted: Counter[str] = Counter()  # how many use each model, or wait for it
        self.on_load: Callable[[], None] = lambda: None  # hears when a model was loaded
        self.load_s: dict[str, float] = {}  # seconds that each model's last load took

    @property
    def loading(self) -> bool:
        """Whether a model is being loaded, or waits for its turn."""
        return bool(self._loads)

    def residents(self) -> list[Resident]:
        """Return what is loaded now."""
        return [r for r in self._residents.values() if not r.client.lost.is_set()]

    def get(self, model: str) -> Resident | None:
        """Return the model, while it is loaded."""
        resident = self._residents.get(model)
        return resident if resident is not None and not resident.client.lost.is_set() else None

    @asynccontextmanager
    async def use(self, model: str, prepare: Prepare) -> AsyncGenerator[Resident, None]:
        """Have `model` loaded while the block runs; raises Unavailable when that cannot be.

        `prepare` is called only if it has to be loaded, and again for another way when that fails.
        It may raise ModelFileError.
        """
        async with self.use_all({model: prepare}) as residents:
            yield residents[model]

    @asynccontextmanager
    async def use_all(
        self, models: Mapping[str, Prepare]
    ) -> AsyncGenerator[dict[str, Resident], None]:
        """Have all of `models` loaded at once while the block runs; see `use`.

        They are loaded in one turn, so that two callers never wait for a part of each other's
        models.
        """
        with ExitStack() as held:
            held.enter_context(self._wanting(models))
            while (residents := self._all_alive(models)) is None:  # evicted before we run again
                await self._load_to_the_end(models)
            for resident in residents.values():
                held.enter_context(self.hold(resident))
            try:
                yield residents
            finally:
                for resident in residents.values():
                    resident.used_s = self._clock()

    @contextmanager
    def _wanting(self, models: Iterable[str]) -> Generator[None]:
        """Keep `models` from being unloaded on request while somebody waits for them."""
        names = [*models]
        self._wanted.update(names)
        try:
            yield
        finally:
            self._wanted.subtract(names)

    @contextmanager
    def hold(self, resident: Resident) -> Generator[None]:
        """Keep `resident` from being unloaded while the block runs, without counting as a use."""
        resident.users += 1
        try:
            yield
        finally:
            resident.users -= 1

    async def restore(self) -> None:
        """Load the models of a lost engine again, the last used first, as far as there is room.

        The time of their last use does not change.
        """
        lost = [r for r in self._residents.values() if r.client.lost.is_set()]
        for old in sorted(lost, key=lambda r: r.used_s, reverse=True):
            wanted = old.wanted
            if self._residents.get(wanted.model) is not old or self._short(self._need(wanted)) > 0:
                continue  # somebody was faster, or memory is short

            async def prepared(wanted: LoadRequest = wanted) -> LoadRequest:
                return wanted

            try:
                await self._load_to_the_end({wanted.model: prepared})
            except EdgeError as error:
                log.warning("%s is not loaded again: %s", wanted.model, error)
            else:
                if (new := self.get(wanted.model)) is not None and not new.users:
                    new.used_s = old.used_s

    def forget_lost(self) -> None:
        """Have nothing loaded again that was in a lost engine's memory."""
        self._residents = {r.wanted.model: r for r in self.residents()}

    async def sweep(self, idle_s: float) -> None:
        """Unload the models that nobody has used for `idle_s` seconds."""
        async with self._lock:
            for resident in self._idle():
                if self._clock() - resident.used_s >= idle_s:
                    await self._unload(resident)

    async def unload(self, model: str) -> bool:
        """Unload a model unless somebody uses it or waits for it; return whether it is gone."""
        async with self._lock:
            resident = self.get(model)
            if self._wanted[model] or (resident is not None and resident.users):
                return False
            if resident is not None:
                await self._unload(resident)
            return True

    def avoids(self, wanted: LoadRequest) -> bool:
        """Return whether to load the model in another way, since this one failed recently."""
        return self._failures.avoids((wanted.model, wanted.spec))

    def engine_ended(self, exit_reason: ExitReason) -> None:
        """Note the end of an engine.

        A model that was alone in two within TWICE_S is refused for a while, longer each time. What
        ends during a load is a matter of that load.
        """
        client, self._client = self._client, None
        if client is None or client.was_loading or exit_reason.outside:
            return
        alone = [r.wanted.model for r in self._residents.values() if r.client is client]
        if len(alone) == 1:
            why = "it ended two engines that it was alone in"
            self._has_ended((alone[0], None), exit_reason, why)

    def _all_alive(self, models: Iterable[str]) -> dict[str, Resident] | None:
        """Return all of them; None where one is missing."""
        there = {model: self.get(model) for model in models}
        alive = {model: resident for model, resident in there.items() if resident is not None}
        return alive if len(alive) == len(there) else None

    async def _load_to_the_end(self, models: Mapping[str, Prepare]) -> None:
        """Load `models` even if the caller is cancelled: the engine cannot break off a load."""
        task = asyncio.ensure_future(self._load_in_turn(models))
        self._loads.add(task)
        task.add_done_callback(self._loads.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(task)

    async def _load_in_turn(self, models: Mapping[str, Prepare]) -> None:
        """Load those that are missing; none of them makes room for another."""
        async with self._lock:
            with ExitStack() as held:
                for model in sorted(models, key=lambda model: self.get(model) is None):
                    if self.get(model) is None:  # else somebody had the turn before
                        await self._load_one(model, models[model])
                    if (resident := self.get(model)) is not None:
                        held.enter_context(self.hold(resident))

    async def _load_one(self, model: str, prepare: Prepare) -> None:
        while self.get(model) is None:
            attempt: Attempt = model, None
            try:
                self._failures.check(attempt)
                wanted = await prepare()
                attempt = model, wanted.spec
                self._failures.check(attempt)
                await self._load(wanted)
            except EngineLost as error:
                exit_reason = await error.exit_reason()
                why = "the engine ended twice while loading it"
                if exit_reason.outside or not self._has_ended(attempt, exit_reason, why):
                    raise
            except ModelFileError as error:
                self._note_failure(attempt, error)

    def _has_ended(self, attempt: Attempt, exit_reason: ExitReason, why: str) -> bool:
        """Note the end of an engine; return whether it is the second, for which it is refused."""
        before_s, now_s = self._ended_s.get(attempt, -math.inf), self._clock()
        self._ended_s[attempt] = now_s
        if now_s - before_s > TWICE_S:  # perhaps something else ended the first one
            return False
        kind = MemoryError if exit_reason.short_of_memory else ModelFileError
        self._note_failure(attempt, kind(f"{why} ({exit_reason.why})"), fatal=True)
        return True

    def _note_failure(self, attempt: Attempt, error: Exception, *, fatal: bool = False) -> None:
        self._failures.note(attempt, error, fatal=fatal)
        log.error("cannot load %s: %s", attempt[0], error)

    async def _load(self, wanted: LoadRequest) -> None:
        self._client = client = await self._connect()
        await self._make_room(wanted.model, lambda: self._need(wanted))
        loaded = await self._loaded(client, wanted)
        attempt = wanted.model, wanted.spec
        self._ended_s.pop(attempt, None)
        self._failures.forget(attempt)
        log.info("loaded %s in %.1f s", wanted.model, loaded.load_s)
        self.load_s[wanted.model] = loaded.load_s
        now_s = self._clock()
        self._residents[wanted.model] = Resident(wanted, client, loaded, 0, now_s, now_s)
        self.on_load()

    async def _loaded(self, client: EngineClient, wanted: LoadRequest) -> Loaded:
        """Return what the engine says of a load; it is ended where it never will."""
        most_s = LOAD_S + wanted.need_bytes / SLOW_BYTES_S
        loading = asyncio.ensure_future(client.load(wanted.model, wanted.spec))
        done, _ = await asyncio.wait((loading,), timeout=most_s)
        if not done:
            client.terminate(
                ExitReason(f"it was not done with loading {wanted.model} after {most_s:.0f} s")
            )
        return await loading

    async def make_room(self, model: str, need_bytes: int) -> None:
        """Unload models without users until `model`, of another process, has so much memory.

        Raises Unavailable where that is not enough.
        """
        async with self._lock:
            await self._make_room(model, lambda: need_bytes)

    async def _make_room(self, model: str, need: Callable[[], int]) -> None:
        """Unload models until there is what `need` says: more, once one is gone that shared."""
        while (short := self._short(need())) > 0:
            idle = self._idle()
            if sum(r.wanted.need_bytes for r in idle) < short:  # all of them would not do
                if self._spare is not None and await self._spare():
                    continue
                raise Unavailable(
                    self._lacking(model, need(), short),
                    retry_after_s=RETRY_S if self.residents() else ALONE_RETRY_S,
                    code="out_of_memory",
                )
            await self._unload(idle[0])

    def _lacking(self, model: str, need_bytes: int, short: int) -> str:
        limit, need = self._limit(), f"{model} needs {in_mb(need_bytes)} of memory"
        if limit:
            return f"{need}: {in_mb(short)} are missing {limit}. {LESS}"
        kept = f"{in_mb(self._reserve)} are kept for others"
        return f"{need} and {kept}: {in_mb(short)} are missing. {LESS}"

    def _short(self, need_bytes: int) -> int:
        """Return how many of so many bytes are missing."""
        return need_bytes + self._reserve + sum(self._mapped().values()) - self._available()

    def _need(self, wanted: LoadRequest) -> int:
        """Return the bytes that it takes; it shares the weights of models on the same file."""
        shared = wanted.mapped_bytes if wanted.file in self._mapped() else 0
        return wanted.need_bytes - shared

    def _mapped(self) -> dict[object, int]:
        """Return the pages of each file that are in memory."""
        return {r.wanted.file: r.mapped_bytes for r in self.residents()}

    def _idle(self) -> list[Resident]:
        """Residents without users, the least recently used first."""
        idle = [r for r in self.residents() if not r.users]
        return sorted(idle, key=lambda r: r.used_s)

    async def _unload(self, resident: Resident) -> None:
        model = resident.wanted.model
        del self._residents[model]
        await resident.client.unload(model)
        log.info("unloaded %s", model)


def in_mb(size: float) -> str:
    """Return a number of bytes for people."""
    return f"{size / 1e6:.0f} MB"
