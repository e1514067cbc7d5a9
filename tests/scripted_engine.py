"""An engine that plays scripts, and the front as the daemon wires it, with such parts in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from msgspec.structs import replace

from edge_rt.config.paths import Paths
from edge_rt.config.schema import Config
from edge_rt.core.cached import Prefixes, Which
from edge_rt.core.events import Embedded, Finished, Timings
from edge_rt.core.reports.offload import OffloadDevice
from edge_rt.core.system.cgroup import Available, ControlGroup
from edge_rt.energy.meter import EnergyMeter
from edge_rt.engine.channel import encode, engine_decoder
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.process import ExitReason
from edge_rt.engine.protocol import EngineWork, Generate, Loaded, ModelSpec, Pong
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store
from edge_rt.server.container import Container, Parts

LOST = "the engine is lost here"
"""In a script: the engine is gone."""


@dataclass(eq=False)
class EngineScript:
    """Scripts for engines to play, one a request, and a record of the requests.

    An engine sends the events of a script, raises its exceptions, awaits its asyncio events and
    calls its functions.
    """

    scripts: list[list[Any]] = field(default_factory=list[list[Any]])
    asked: list[Any] = field(default_factory=list[Any])  # requests in the engine's words
    loads: list[str] = field(default_factory=list[str])
    counted: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])  # prompts
    texts: set[str] = field(default_factory=set[str])  # prompts that are in KV
    ids: int = 0
    pings: int = 0
    open: int = 0  # requests that are being answered
    running: int = 0  # this and the next are the decode loop's figures
    steps: int = 0
    duty: float = 1.0
    useful: bool = False  # whether engines that are lost have served others


class FakeEngine:
    """Plays a script a request; asks of an EngineClient what the front asks of one."""

    was_loading = False

    def __init__(
        self,
        script: EngineScript,
        energy_meter: EnergyMeter,
        on_exit: Callable[[ExitReason], None],
    ) -> None:
        self.lost = asyncio.Event()
        self.gpus: list[OffloadDevice] = []
        self.termination: ExitReason | None = None
        self.fails: list[Exception] = []  # raised by the next calls of `prefixes`
        self.on_work: Callable[[EngineWork], None] = lambda work: None
        self._script, self._on_exit = script, on_exit
        energy_meter.listen(cast(EngineClient, self))

    @cached_property
    def exit_reason(self) -> asyncio.Future[ExitReason]:
        """How the engine ended, once it has."""
        return asyncio.get_running_loop().create_future()

    def lose(self, exit_reason: ExitReason | set[int]) -> None:
        """End the engine, if it has not; a set is of the requests that it was at work for."""
        if not isinstance(exit_reason, ExitReason):
            exit_reason = ExitReason("signal SIGSEGV", frozenset(exit_reason))
        if not self.lost.is_set():
            self.lost.set()
            self._on_exit(exit_reason)
        if not self.exit_reason.done():
            self.exit_reason.set_result(exit_reason)

    def terminate(self, exit_reason: ExitReason) -> None:
        """End the engine for that reason."""
        if self.termination is None and not self.lost.is_set():
            self.termination = exit_reason
            self.lose(exit_reason)

    async def load(self, model: str, spec: ModelSpec) -> Loaded:
        """Note the name of a model, which is then loaded."""
        self._script.loads.append(model)
        await asyncio.sleep(0)
        return Loaded(model, 0.1, 600, spec.context, 1)

    async def unload(self, model: str) -> None:
        """Let a model go."""
        await asyncio.sleep(0)

    async def prefixes(self, forget: Which | None = None) -> Prefixes:
        """Report one kept prefix, or raise what `fails` has."""
        if self.fails:
            raise self.fails.pop()
        return Prefixes(1, True, forgotten=0 if forget is None else 3)

    async def ping(self) -> Pong:
        """Answer with the figures of the script."""
        script = self._script
        script.pings += 1
        await asyncio.sleep(0)
        if self.lost.is_set():
            raise EngineLost("gone")
        return Pong(1, 1000, 2, script.running, 0, script.steps, 1.0, 0.9, script.duty)

    async def count(
        self, model: str, backend: str, path: str, prompt: str, *, special: bool
    ) -> tuple[int, int]:
        """Count one token for each letter; of a prompt in `texts` KV lacks only the last one."""
        await asyncio.sleep(0)
        self._script.counted.append((model, backend, path, prompt, special))
        cached = len(prompt) - 1 if prompt in self._script.texts else 0
        return len(prompt), cached

    def generate(self, make: Callable[[int], Generate]) -> AsyncGenerator[Any, None]:
        """Play the next script, or end an answer at once."""
        return self._play(make, [Finished(0, 0, "stop", Timings(0.0, 0.0, 0.0, 3, 0, 1))])

    def perform(self, make: Callable[[int], Any]) -> AsyncGenerator[Any, None]:
        """Play the next script, or answer with a vector of two numbers."""
        return self._play(make, [Embedded(0, 2, bytes(8), [3], Timings(0.0, 0.0, 0.0, 3, 0, 0))])

    async def _play(
        self, make: Callable[[int], Any], usual: list[Any]
    ) -> AsyncGenerator[Any, None]:
        script = self._script
        script.ids += 1
        request: Any = engine_decoder().decode(encode(make(script.ids))[4:])
        script.asked.append(request)
        script.open += 1
        try:
            for item in script.scripts.pop(0) if script.scripts else usual:
                await asyncio.sleep(0)
                self._end(item, request.id)
                if isinstance(item, EngineWork):
                    # A share without a request is of the one that is answered.
                    shares = [replace(each, id=each.id or request.id) for each in item.shares]
                    self.on_work(EngineWork(item.begin_s, item.end_s, shares))
                elif isinstance(item, asyncio.Event):
                    await item.wait()
                elif callable(item):
                    item()
                else:
                    yield item
        finally:
            script.open -= 1

    def _end(self, item: object, request: int) -> None:
        """Raise what a script says in the place of an event."""
        if item is LOST:
            self.lose({request})
            raise EngineLost("gone", self.exit_reason)
        if isinstance(item, ExitReason):
            self.lose(item)
            raise EngineLost("gone", self.exit_reason, useful=self._script.useful)
        if isinstance(item, Exception):
            raise item


class FakeSupervisor:
    """Has a FakeEngine at hand, and another once that is lost."""

    def __init__(self, script: EngineScript) -> None:
        self.pid: int | None = 42
        self.restarts = 0
        self.exit_reason: ExitReason | None = None
        self.engine: FakeEngine
        self.current: FakeEngine | None = None
        self._script = script

    def start_with(self, energy_meter: EnergyMeter, on_exit: Callable[[ExitReason], None]) -> None:
        """Have the first engine; `energy_meter` hears of its work, and `on_exit` of its end."""
        self._told = energy_meter, on_exit
        self.engine = self.current = FakeEngine(self._script, energy_meter, on_exit)

    @property
    def gpus(self) -> list[OffloadDevice]:
        """Those of the engine."""
        return self.engine.gpus

    async def client(self) -> EngineClient:
        """Return the live engine."""
        if self.engine.lost.is_set():
            self.start_with(*self._told)
        return cast(EngineClient, self.engine)


def build(
    config: Config,
    state: Path,
    clock: Callable[[], float] = time.monotonic,
    *,
    store: Store | None = None,
    script: EngineScript | None = None,
    **fakes: Any,
) -> Container:
    """Wire the front below the directory `state`; nothing is started.

    With a `script`, a FakeEngine plays it, and there is memory for every model. `fakes` are by the
    names of the fields of Parts.
    """
    paths = Paths(run=state, state=state, config_file=state / "config.yaml", cache=state / "cache")
    if script is not None:
        plenty = Available(0, ControlGroup(state / "no cgroups"), lambda: 1 << 40)
        fakes = {"supervisor": FakeSupervisor(script), "available": plenty} | fakes
    store = store or Store(state / "models", load_catalogue())
    container = Container(config, paths, store, clock, Parts(**fakes))
    if isinstance(supervisor := cast(object, container.supervisor), FakeSupervisor):
        supervisor.start_with(container.energy_meter, container.on_exit)
    return container
