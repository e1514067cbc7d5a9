"""How models may be loaded, what the engine is asked to load, and the room that there is for it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from edge_rt.config.schema import Config, Engine
from edge_rt.core.reports.offload import OffloadDevice
from edge_rt.core.routing import LoadConfig
from edge_rt.engine.client import EngineLost
from edge_rt.engine.model_pool import LoadRequest, ModelPool, Resident, in_mb
from edge_rt.engine.protocol import ModelOrigin, ModelSpec
from edge_rt.models.loading import context_of, kv_bytes, load_configs, mark_bytes, resident_name
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.store import Store
from edge_rt.routing.memory_pressure import cpq, feasible

FIXED_BYTES = 12 << 20  # llama.cpp's own buffers, whatever the model
ONNX_BYTES = 64 << 20  # and those of others
TOKEN_BYTES = 512  # of a token of llama.cpp's vocabulary, with its merges
ACTIVATIONS = 16  # float32 vectors of the embedding's width alive at once, a token of a batch
QUERIES = 2  # and of the width of all heads, in llama.cpp
STATES = 8  # and of that of recurrent layers
DRAFT_ROWS = 16  # tokens of drafts that one pass may read, over all sequences
_ON_GPU = ("cuda", "tensorrt")  # how the names of onnxruntime's providers begin
UNPACKED = 3  # times their size take 8-bit weights of small ONNX models, which become float32


def load_config_of(spec: ModelSpec) -> LoadConfig:
    """Return how a model is loaded by `spec`."""
    return LoadConfig(spec.gpu_layers, spec.kv_type)


def wanted(
    entry: ModelRecord, path: Path, engine: Engine, load: LoadConfig | None = None
) -> LoadRequest:
    """Return `entry` as configured, in that form, with an upper bound of its memory.

    None: the usual form.
    """
    load = load or load_configs(entry, engine)[0]
    spec = ModelSpec(
        backend=entry.backend,
        path=str(path),
        context=context_of(entry, engine),
        sequences=engine.sequences,
        batch=engine.batch,
        prefill_chunk=engine.prefill_chunk,
        gpu_layers=load.gpu_layers,
        flash_attention=engine.flash_attention,
        kind=entry.summary.kind,
        pooling="rank" if entry.summary.ranks else entry.summary.pooling or "mean",
        normalise=entry.summary.normalise,
        providers=entry.providers,
        outputs=engine.sequences + DRAFT_ROWS if entry.kind == "language" else 0,
        origin=ModelOrigin(entry.id, entry.sha256),
        kv_type=load.kv_type,
        gpu_share=_gpu_share(entry, load),
        projector=None if entry.projector is None else str(entry.projector),
        adapters=tuple((str(adapter.path), scale) for adapter, scale in entry.adapters),
    )
    held = kv_bytes(entry, engine, load) + mark_bytes(entry, engine, load)
    need = _weight_bytes(entry) + held + _working_bytes(entry, spec)
    # Onnxruntime packs weights itself, and of a model that sees, the projector is copied.
    mapped = _main_bytes(entry) if entry.backend == "llama.cpp" else 0
    offloaded = _gpu_bytes(entry, engine, load)
    if engine.rpc:  # they are on other boards, and not in this one's memory, too
        need, mapped = need - offloaded, mapped - int(mapped * _offloaded(entry, load))
    return LoadRequest(resident_name(entry), spec, need, mapped, offloaded)


def _weight_bytes(entry: ModelRecord) -> int:
    unpacked = entry.backend == "onnx" and entry.kind != "language"
    adapters = sum(adapter.size for adapter, _ in entry.adapters)
    return entry.size * (UNPACKED if unpacked else 1) + adapters


def _main_bytes(entry: ModelRecord) -> int:
    """Return the size of what is not the projector, which lies on a GPU where all layers do."""
    eyes = entry.projector
    return entry.size - sum(f.stamp.size for f in entry.files if eyes and f.name == eyes.name)


def _gpu_share(entry: ModelRecord, load: LoadConfig) -> float:
    """Return the share of layers on a GPU; 1 if a provider of onnxruntime computes there."""
    if any(provider.lower().startswith(_ON_GPU) for provider in entry.providers):
        return 1.0
    return _offloaded(entry, load)


def _offloaded(entry: ModelRecord, load: LoadConfig) -> float:
    """Return the share of layers that llama.cpp puts on a GPU: the output first, as one of them."""
    return min(1.0, load.gpu_layers / (entry.summary.layers + 1))


def _gpu_bytes(entry: ModelRecord, engine: Engine, load: LoadConfig) -> int:
    """Return what its layers on a GPU take there with their KV, as if all layers were alike.

    They count as if in the board's memory, too: where there is but one, they are.
    """
    share = _offloaded(entry, load)
    whole = _main_bytes(entry) if entry.projector and share < 1.0 else _weight_bytes(entry)
    return int((whole + kv_bytes(entry, engine, load)) * share)


def _working_bytes(entry: ModelRecord, spec: ModelSpec) -> int:
    summary, of_all = entry.summary, spec.batch * spec.context
    logits = max(spec.sequences, spec.outputs) * summary.vocab * 4
    activations = spec.batch * summary.embedding * 4 * ACTIVATIONS + summary.look_bytes
    if entry.backend != "llama.cpp":  # onnxruntime holds how much all attends to what
        return logits + activations + of_all * summary.heads * 4 + ONNX_BYTES
    queries, states = summary.heads * summary.head_dim_k * QUERIES, summary.state_width * STATES
    mask = of_all * 2 if summary.kv_per_token else 0
    more = spec.batch * (queries + states) * 4 + mask
    return logits + activations + more + summary.vocab * TOKEN_BYTES + FIXED_BYTES


class Room:
    """Knows what is free and what could be freed."""

    def __init__(
        self,
        config: Config,
        pool: ModelPool,
        available: Callable[[], int],
        gpus: Callable[[], Sequence[OffloadDevice]] = tuple,
    ) -> None:
        """`available` gives the free bytes of memory, `gpus` those of the engine."""
        self._config, self._pool, self._available = config, pool, available
        self._gpus = gpus

    @property
    def usable_bytes(self) -> int:
        """What models may take, all together and those included that are loaded."""
        residents = self._pool.residents()
        mapped = sum({r.wanted.file: r.mapped_bytes for r in residents}.values())
        taken = _taken(r.wanted for r in residents)
        return self._available() - mapped + taken - self._config.models.reserve_bytes

    @property
    def gpu_bytes(self) -> float:
        """What models may take of a GPU's own memory; infinite where it has the board's."""
        own = [g.free_bytes for g in self._gpus() if not g.shared and g.free_bytes is not None]
        return self._config.engine.gpu_bytes or (sum(own) if own else math.inf)

    def lack(self, entry: ModelRecord, beside: ModelRecord | None = None) -> str | None:
        """Return why `entry` cannot be had in memory now, `beside` another one.

        None where it can.
        """
        if self._pool.get(resident_name(entry)) is not None:
            return None
        staying = self._staying(beside)
        usable = self.usable_bytes - _taken(staying)
        needs = [
            _more(staying, self._wanted(entry, load))
            for load in load_configs(entry, self._config.engine)
        ]
        if any(_fits(need, usable) for need in needs):
            return None
        return f"needs {in_mb(min(needs))} of memory, and {in_mb(max(0, usable))} can be had"

    def spare(self, *entries: ModelRecord) -> bool:
        """Return whether those of `entries` that are not loaded fit beside all models that are."""
        loads = self._config.engine
        absent = [one for one in entries if self._pool.get(resident_name(one)) is None]
        ways = (
            min((self._wanted(one, load) for load in load_configs(one, loads)), key=_need)
            for one in absent
        )
        loaded = [r.wanted for r in self._pool.residents()]
        return not absent or _fits(_more(loaded, *ways), self.usable_bytes - _taken(loaded))

    def load_config(
        self, entry: ModelRecord, beside: ModelRecord | None = None, best: LoadConfig | None = None
    ) -> LoadConfig:
        """Return how to load `entry` now: in the first form that fits, else in the smallest.

        The `best` comes first, and forms that failed recently come last.
        """
        found = load_configs(entry, self._config.engine)
        found.sort(key=lambda load: load != best)
        staying, gpu = self._staying(beside), self._gpu_bytes(beside)
        usable = self.usable_bytes - _taken(staying)
        ways = {load: self._wanted(entry, load) for load in found}
        found.sort(key=lambda load: self._pool.avoids(ways[load]))
        for load in found:
            if _fits(_more(staying, ways[load]), usable) and _fits(ways[load].gpu_bytes, gpu):
                return load
        return min(found, key=lambda load: _need(ways[load]))

    def ways(self, entry: ModelRecord) -> dict[LoadConfig, LoadRequest]:
        """Return how `entry` may be loaded, by form.

        Forms that do not fit even alone, or failed recently, are left out if any others remain.
        """
        found = {
            load: self._wanted(entry, load) for load in load_configs(entry, self._config.engine)
        }
        usable, gpu = self.usable_bytes, self.gpu_bytes
        able = {
            load: way
            for load, way in found.items()
            if _fits(way.need_bytes, usable) and _fits(way.gpu_bytes, gpu)
        }
        able = able or found
        return {load: way for load, way in able.items() if not self._pool.avoids(way)} or able

    def _gpu_bytes(self, beside: ModelRecord | None) -> float:
        return self.gpu_bytes - sum(way.gpu_bytes for way in self._staying(beside))

    def _staying(self, beside: ModelRecord | None) -> list[LoadRequest]:
        """Return what one more model cannot have the memory of: what is at work, and `beside`."""
        staying = {r.wanted.model: r.wanted for r in self._pool.residents() if r.users}
        if beside is not None:
            held = self._pool.get(resident_name(beside))
            staying[resident_name(beside)] = held.wanted if held else self._wanted(beside)
        return [*staying.values()]

    def _wanted(self, entry: ModelRecord, load: LoadConfig | None = None) -> LoadRequest:
        return wanted(entry, entry.path, self._config.engine, load)


def _need(way: LoadRequest) -> int:
    return way.need_bytes


def _taken(ways: Iterable[LoadRequest]) -> int:
    """Return the bytes that models take together: weights of one file are in memory once."""
    taken, mapped = 0, dict[object, int]()
    for way in ways:
        taken += way.need_bytes - way.mapped_bytes
        mapped[way.file] = way.mapped_bytes
    return taken + sum(mapped.values())


def _more(there: Sequence[LoadRequest], *ways: LoadRequest) -> int:
    """Return the bytes that models take beside those that are there."""
    return _taken([*there, *ways]) - _taken(there)


def _fits(need: float, usable: float) -> bool:
    return not need or feasible(cpq(need, usable))


class ModelManager:
    """Has models loaded, in the form that is asked for."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        pool: ModelPool,
        room: Room,
        admit: Callable[[bool], Awaitable[None]],
    ) -> None:
        """`admit` waits until the governor lets something in that loads a model, or does not."""
        self._engine, self._store, self._admit = engine, store, admit
        self._pool, self._room = pool, room

    @property
    def loaded(self) -> set[str]:
        """The engine's names of the models in its memory."""
        return {resident.wanted.model for resident in self._pool.residents()}

    async def preload(self, entry: ModelRecord, load: LoadConfig | None = None) -> None:
        """Load a model ahead of the first request; `load` is as for `resident`.

        Raises what a request for it would.
        """
        await self._admit(self.loads(entry, None, load))
        async with self.resident(entry, None, load):
            pass

    async def unload(self, entry: ModelRecord) -> bool:
        """Unload a model unless a request uses it; return whether it is out of memory."""
        try:
            return await self._pool.unload(resident_name(entry))
        except EngineLost:  # with all that it had loaded
            return True

    def loads(
        self, entry: ModelRecord, partner: ModelRecord | None = None, load: LoadConfig | None = None
    ) -> bool:
        """Return whether a model would have to be loaded beside others for `entry` and its partner.

        The only one does not count: a board that stays warm by itself would never serve.
        """
        loaded = self.loaded
        if self._changes(entry, partner, load):
            loaded.discard(resident_name(entry))
        wanted = [entry] if partner is None else [entry, partner]
        return bool(loaded) and any(resident_name(one) not in loaded for one in wanted)

    @asynccontextmanager
    async def resident(
        self, entry: ModelRecord, partner: ModelRecord | None = None, load: LoadConfig | None = None
    ) -> AsyncGenerator[Resident]:
        """Have `entry` and its partner in the engine's memory while the block runs.

        A model that is loaded in another form than `load` is loaded again, unless it is at work or
        that form does not fit; None: any form will do.
        """
        if self._changes(entry, partner, load):
            await self._pool.unload(resident_name(entry))
        wanted = {resident_name(entry): partial(self._wanted, entry, partner, load)}
        if partner is not None:
            wanted[resident_name(partner)] = partial(self._wanted, partner, entry, None)
        async with self._pool.use_all(wanted) as residents:
            yield residents[resident_name(entry)]

    def _changes(
        self, entry: ModelRecord, beside: ModelRecord | None, load: LoadConfig | None
    ) -> bool:
        """Return whether `entry` is loaded in another form, not at work, and can have that one."""
        resident = self._pool.get(resident_name(entry))
        if load is None or resident is None or resident.users:
            return False
        if load_config_of(resident.wanted.spec) == load:
            return False
        return self._room.load_config(entry, beside, load) == load

    async def _wanted(
        self, entry: ModelRecord, beside: ModelRecord | None, load: LoadConfig | None
    ) -> LoadRequest:
        path = await asyncio.to_thread(self._store.check, entry.id)
        return wanted(entry, path, self._engine, self._room.load_config(entry, beside, load))
