"""Engines that play a script, and a house of daemon rooms around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_rt.api.service import Call
from edge_rt.config.schema import Config
from edge_rt.daemon.health import Health
from edge_rt.daemon.service import DaemonService
from edge_rt.daemon.state import State
from edge_rt.daemon.supervisor import Supervisor
from edge_rt.decoding.params import Sampling
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.framing import encode, engine_decoder
from edge_rt.engine.protocol import (
    Delta,
    Finished,
    Generate,
    Loaded,
    ModelSpec,
    Pong,
    Started,
    Timings,
)
from edge_rt.engine.residency import Residency
from edge_rt.errors import ModelNotFound
from edge_rt.models.catalogue import SamplingDefaults
from edge_rt.models.entry import Entry
from edge_rt.models.store import Store
from edge_rt.models.summary import Summary

LOST = "the engine is lost here"

SUMMARY = Summary(
    architecture="llama",
    name="Tiny",
    organisation=None,
    licence=None,
    quantisation="Q4_1",
    parameters=1000,
    file_bytes=2000,
    context_train=2048,
    layers=2,
    embedding=64,
    heads=4,
    kv_heads=2,
    head_dim_k=16,
    head_dim_v=16,
    kv_per_token=128,
    vocab=600,
    chat_template="{{ messages[0].content }}|",
    bos_token=None,
    eos_token=None,
    add_bos=False,
)
ENTRY = Entry(
    id="tiny",
    path=Path("tiny.gguf"),
    size=2000,
    sha256="0" * 64,
    created=1_700_000_000,
    licence="mit",
    owner="nobody",
    backend="llama.cpp",
    sampling=SamplingDefaults(temperature=0.5),
    summary=SUMMARY,
)


def started() -> Started:
    return Started(0, 3, 0)


def delta(*tokens: int, index: int = 0) -> Delta:
    return Delta(0, index, "".join(f"{token} " for token in tokens), list(tokens))


def finished(index: int = 0) -> Finished:
    return Finished(0, index, "stop", Timings(0.0, 0.0, 0.0, 3, 0, 1))


class FakeEngine:
    """Plays a script a request: events are said, exceptions raised, asyncio events awaited."""

    def __init__(self, house: House) -> None:
        self.lost = asyncio.Event()
        self._house = house

    async def load(self, model: str, spec: ModelSpec) -> Loaded:
        self._house.loads.append(model)
        await asyncio.sleep(0)
        return Loaded(model, 0.1, 600, spec.context, 1)

    async def unload(self, model: str) -> None:
        await asyncio.sleep(0)

    async def ping(self) -> Pong:
        self._house.pings += 1
        await asyncio.sleep(0)
        if self.lost.is_set():
            raise EngineLost("gone")
        self._house.steps += self._house.advancing
        return Pong(1, 1000, 2, self._house.running, 0, self._house.steps, 1.0, 0.9)

    async def generate(self, make: Callable[[int], Generate]) -> AsyncGenerator[Any, None]:
        self._house.ids += 1
        request = engine_decoder().decode(encode(make(self._house.ids))[4:])
        assert isinstance(request, Generate)
        self._house.asked.append(request)
        self._house.open += 1
        script = self._house.scripts.pop(0) if self._house.scripts else [finished()]
        try:
            for item in script:
                await asyncio.sleep(0)
                if item is LOST:
                    self.lost.set()
                    raise EngineLost("gone")
                if isinstance(item, Exception):
                    raise item
                if isinstance(item, asyncio.Event):
                    await item.wait()
                else:
                    yield item
        finally:
            self._house.open -= 1


class House:
    """A service over a store, a residency and engines that are all in the test's hand."""

    def __init__(self, config: Config | None = None, models: tuple[str, ...] = ("tiny",)) -> None:
        self.scripts: list[list[Any]] = []
        self.asked: list[Generate] = []
        self.loads: list[str] = []
        self.checks: list[str] = []
        self.ids = self.pings = self.open = 0
        self.running = self.steps = 0  # the decode loop's figures
        self.advancing = 0  # passes between two pings
        self.now = 100.0
        self.bad: Exception | None = None
        self.entry = ENTRY
        self._models = models
        self.engine = FakeEngine(self)
        self.supervisor = SimpleNamespace(current=self.engine, pid=42, restarts=0)
        clock = lambda: self.now  # noqa: E731
        self.residency = Residency(
            self.connect, available=lambda: 1 << 40, reserve_bytes=0, clock=clock
        )
        self.state = State(cast(Supervisor, self.supervisor), clock)
        self.health = Health(self.connect, self.residency, clock)
        self.service = DaemonService(
            config or Config(), cast(Store, self), self.residency, self.state, self.health
        )

    async def connect(self) -> EngineClient:
        if self.engine.lost.is_set():
            self.engine = self.supervisor.current = FakeEngine(self)
        return cast(EngineClient, self.engine)

    # --- the store's part

    def entries(self) -> list[Entry]:
        return [replace(self.entry, id=id) for id in sorted(self._models)]

    def get(self, id: str) -> Entry:
        for entry in self.entries():
            if entry.id == id:
                return entry
        raise ModelNotFound(f"no model {id}")

    def default(self, named: str | None) -> Entry | None:
        assert named is None
        return min(self.entries(), key=lambda entry: entry.created, default=None)

    def check(self, id: str) -> Path:
        self.checks.append(id)
        if self.bad is not None:
            raise self.bad
        return self.entry.path

    # --- short cuts

    def generate(self, model: str = "tiny", **changes: Any) -> AsyncGenerator[Any, None]:
        fields: dict = {"sampling": Sampling(), "max_tokens": 9}
        return self.service.generate(Call(model, [5, 6], False, **{**fields, **changes}))

    async def answer(self, model: str = "tiny", **changes: Any) -> list[Any]:
        return [event async for event in self.generate(model, **changes)]


@dataclass
class Kit:
    """What tests build scripts from."""

    house: type[House] = House
    entry: Entry = ENTRY
    lost: str = LOST
    started: Callable = started
    delta: Callable = delta
    finished: Callable = finished

    @staticmethod
    def run(test: Coroutine[Any, Any, Any]) -> Any:
        """Run `test` to its end, which must come."""

        async def bounded() -> Any:
            return await asyncio.wait_for(test, 20)

        return asyncio.run(bounded())


@pytest.fixture
def kit() -> Kit:
    """What tests build scripts from."""
    return Kit()
