"""All rooms of the front, wired together, and their life from start to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_rt.api.service import Service
from edge_rt.board.detection import usable_cores
from edge_rt.board.monitor import BoardMonitor, Metered
from edge_rt.board.readers.cpu import CpuReader
from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.config.paths import Paths, of_board
from edge_rt.config.schema import Config
from edge_rt.core.clock import Pause, in_thread
from edge_rt.core.occupancy import Occupancy
from edge_rt.core.system.cgroup import Available, ControlGroup, memory_share
from edge_rt.energy.app_budgets import AppBudgets
from edge_rt.energy.ledger import Book
from edge_rt.energy.meter import EnergyMeter
from edge_rt.engine.client import EngineClient
from edge_rt.engine.hang_detector import HangDetector, prove
from edge_rt.engine.model_pool import ModelPool
from edge_rt.engine.process import CheckpointMemory, ExitReason
from edge_rt.engine.supervisor import ENGINE, OFFLINE, RPC, SIMULATED_GPU, Supervisor
from edge_rt.generation.recovery import Recovery
from edge_rt.generation.request_budget import ExpectedTimes
from edge_rt.generation.service import GenerationService
from edge_rt.generation.speech import SpeechService
from edge_rt.generation.state import State
from edge_rt.generation.tasks import TaskService
from edge_rt.generation.warming import Warming
from edge_rt.governor.board_heat import Heat, power_prior
from edge_rt.governor.budget import EnergySpent
from edge_rt.governor.history import BoardHistory
from edge_rt.governor.knobs.board_knobs import FEWEST_JOULES, BoardKnobs
from edge_rt.governor.knobs.mode_search import EfficientMode
from edge_rt.governor.leakage_watch import LeakageWatch
from edge_rt.governor.loop import GovernorLoop
from edge_rt.governor.observation import Observer
from edge_rt.governor.policy.governor import Governor
from edge_rt.models.store.store import Store
from edge_rt.models.templates.process import Templating
from edge_rt.routing.prompts import Prompting
from edge_rt.routing.services import RoutingServices
from edge_rt.server.background_tasks import feel, preload, recall, sweep, told, write
from edge_rt.server.model_work import prefixes
from edge_rt.server.state_directory import StorageHealth, forget_unkept
from edge_rt.server.stores import answer_cache, book, kept_prefixes, semantic_cache
from edge_rt.speech.companion import COMPANION, Companion
from edge_rt.speech.companion import OFFLINE as COMPANION_OFFLINE

if TYPE_CHECKING:
    from edge_rt.generation.comparing import Comparing


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What stands in the place of the front's own parts; None: the front makes its own.

    `available` gives the free bytes of memory, `wall` Unix seconds; `pause` lets seconds pass for
    measurements.
    """

    senses: BoardMonitor | None = None
    supervisor: Supervisor | None = None
    governor_loop: GovernorLoop | None = None
    knobs: BoardKnobs | None = None
    book: Book | None = None
    prompting: Prompting | None = None
    reader: CpuReader | None = None
    cores: int | None = None
    available: Available | None = None
    pause: Pause = asyncio.sleep
    wall: Callable[[], float] = time.time


class Container:
    """The front, to be made inside a running event loop."""

    def __init__(
        self,
        config: Config,
        paths: Paths,
        store: Store,
        clock: Callable[[], float],
        parts: Parts = Parts(),
    ) -> None:
        """`clock` is in seconds, those of the monotonic clock that the engine reads too."""
        self._config, root = config, Path(config.sensors.root)
        self._store, self._clock = store, clock
        self._cores = parts.cores or config.engine.threads or usable_cores()
        self._follows: set[asyncio.Task[None]] = set()
        self.preloaded = asyncio.Event()  # what is to be in memory is, or cannot be
        group = ControlGroup()
        checkpoints = CheckpointMemory(memory_share(config.engine.checkpoint_bytes, group))
        self.senses = parts.senses or BoardMonitor(
            root, config.board, paths, clock, config.sensors.meter
        )
        self.supervisor = parts.supervisor or Supervisor(
            _engine(config, self.senses.gpu_simulated),
            self._greet,
            hang_detector=HangDetector(
                lambda client, doing: self._expected_times.seconds(client, doing)
            ),
            on_exit=self.on_exit,
            checkpoints=checkpoints,
        )
        reserve, own = config.models.reserve_bytes, lambda: checkpoints.left_bytes
        available = parts.available or Available(reserve, group, own_bytes=own)
        self.companion = Companion(
            COMPANION_OFFLINE if config.offline else COMPANION,
            idle_s=config.speech.idle_unload_s,
            clock=clock,
        )
        self.pool = ModelPool(
            self.supervisor.client,
            available=available,
            reserve_bytes=reserve,
            clock=clock,
            limit=lambda: available.limit,
            spare=self.companion.spare,
        )
        own = of_board(paths.state, self.senses.simulated)
        self.book = parts.book or book(config, paths, self.senses.simulated)
        self.cache = answer_cache(config, paths)
        self.semantic = semantic_cache(config, paths)
        self._keep, self._folder = kept_prefixes(config, paths), paths.state
        at_work = self._at_work_for_nobody
        apps = AppBudgets(
            config.applications,
            self._above_idle_w,
            self.book.app_j,
            parts.wall,
            parts.pause,
            most=max(1, config.requests.queue // 4),  # their bodies take memory
        )
        self.energy_meter = EnergyMeter(self.senses, self.book, at_work, clock, parts.wall, apps)
        self.occupancy = Occupancy(clock)
        tokens = self.energy_meter.tokens
        state = State(self.supervisor, self.pool, self.occupancy, tokens, clock)
        self.knobs = parts.knobs or BoardKnobs(config.knobs, root, own)
        self.efficient = EfficientMode(
            self.knobs,
            lambda: self.energy_meter.idle_w,
            lambda: self.senses.snapshot and self.senses.snapshot.chosen.board,
            parts.wall,
            config.knobs.tokens_per_s,
        )
        self.spent = EnergySpent(self.book)
        self.observer = Observer(
            self.senses,
            self.supervisor,
            self.spent,
            CpuReader(),
            clock,
            give_way=config.engine.threads is None,
        )
        self.heat = Heat(LeakageWatch(own), lambda: self.senses.snapshot)
        self.governor_loop = parts.governor_loop or GovernorLoop(
            self._governor,
            self.observer,
            self.heat,
            self.supervisor,
            history=BoardHistory(config.governor.horizon_s, parts.wall),
            busy=lambda: self.occupancy.active > 0,
            smaller=lambda: bool(self._config.models.smaller),
            clock=clock,
            clocks=self.knobs.clocks,
            companion=self.companion,
        )
        self._prompting = parts.prompting or Prompting(Templating())
        self.routing = RoutingServices(
            config,
            own,
            self._cores,
            store=store,
            prompting=self._prompting,
            supervisor=self.supervisor,
            pool=self.pool,
            occupancy=self.occupancy,
            monitor=self.senses,
            energy_meter=self.energy_meter,
            governor_loop=self.governor_loop,
            available=lambda: available() + self.companion.idle_bytes,
            clock=clock,
            pause=parts.pause,
            reader=parts.reader,
        )
        self._expected_times = ExpectedTimes(store, config.engine, self.routing.least)
        recovery = Recovery(clock)
        generation = GenerationService(
            config,
            self.occupancy,
            self.energy_meter,
            self.governor_loop,
            self.routing,
            recovery,
            clock,
        )
        tasks_service = TaskService(
            config,
            generation,
            self.occupancy,
            self.energy_meter,
            self.routing,
            clock,
        )
        self.service = Service(
            config,
            store,
            state=state,
            prove=lambda: prove(self.supervisor.client),
            monitor=self.senses,
            energy_meter=self.energy_meter,
            governor_loop=self.governor_loop,
            knobs=self.knobs,
            generation=generation,
            tasks=tasks_service,
            speech=SpeechService(
                config,
                self.companion,
                self.pool,
                self.occupancy,
                self.energy_meter,
                self.governor_loop,
                clock,
            ),
            routing=self.routing,
            prompting=self._prompting,
            storage=StorageHealth(
                paths.state,
                {
                    "ledger.db": self.book.trouble,
                    "cache.db": None if self.cache is None else self.cache.trouble,
                    "semantic.db": None if self.semantic is None else self.semantic.trouble,
                    "leakage.json": self.heat.leakage.trouble,
                },
            ).report,
        )
        read = prefixes(config, self.routing.models, self.service)
        self.warming = Warming(read, self.occupancy, self.pool, generation.generate, parts.pause)
        self.service.warm = self.warming.report
        self._comparing = self._compares(generation, parts.pause)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Service]:
        """Everything at work while the block runs."""
        await self.knobs.recover()
        await asyncio.to_thread(forget_unkept, self._config.cache, self._folder)
        self.supervisor.start()
        tasks = [asyncio.create_task(told(task)) for task in self._background_tasks()]
        try:
            yield self.service
        finally:
            await self.energy_meter.finish()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.knobs.restore()
            await self.supervisor.stop()
            await self.companion.close()
            await self._prompting.close()
            await in_thread(self.senses.close)
            self.energy_meter.post()
            await asyncio.to_thread(self.book.close)
            for cache in (self.semantic, self.cache):
                if cache is not None:
                    await cache.close()

    def _background_tasks(self) -> list[Coroutine[Any, Any, None]]:
        """Return what goes on beside the requests."""
        models = self._config.models
        warm = [one.model for one in self._config.warm]
        at_start = list(dict.fromkeys([*models.preload, *warm]))
        tasks: list[Coroutine[Any, Any, None]] = [
            feel(self.senses, self._hear),
            write(self.book, self.energy_meter),
            recall(self.spent),
            self.governor_loop.run(),
            self.heat.leakage.run(),
            self.knobs.turn(),
            self.knobs.govern(),
            preload(self.service, at_start, self.preloaded),
        ]
        if self._config.knobs.nvpmodel == FEWEST_JOULES:
            self.energy_meter.on_booked = self.efficient.hear
            tasks.append(self.efficient.run())
        tasks += [cache.run() for cache in (self.cache, self.semantic) if cache is not None]
        if warm:
            tasks.append(self.warming.run())
        if self._comparing is not None:
            tasks.append(self._comparing.run())
        if models.idle_unload_s:
            tasks.append(sweep(self.pool, models.idle_unload_s))
        return tasks

    def _compares(self, generation: GenerationService, pause: Pause) -> Comparing | None:
        """Return what has answers to near questions judged; None: nothing does."""
        semantic = self._config.cache.semantic
        if self.semantic is None or semantic.judge is None:
            return None
        from edge_rt.generation.comparing import Comparing

        def cool() -> bool:
            limits = self.governor_loop.limits
            return limits.guard == "ok" and limits.admission == "open" and not limits.slows

        return Comparing(
            self.semantic,
            semantic.judge,
            semantic.hourly_j,
            self.occupancy,
            cool,
            self.service.render,
            generation.generate,
            self._clock,
            pause,
        )

    def _governor(self, snapshot: BoardSnapshot | None) -> Governor:
        config = self._config
        return Governor(
            self._cores,
            config.budget,
            self.heat.model(snapshot, self._cores),
            power_prior(snapshot, () if snapshot is None else self.routing.forecaster.of_board()),
            config.governor,
        )

    def _above_idle_w(self) -> float | None:
        """Return what the cap on power leaves above the idle draw; None while either is unknown."""
        cap_w, idle_w = self.governor_loop.governor.budget.power_w, self.energy_meter.idle_w
        return None if cap_w is None or idle_w is None else cap_w - idle_w

    def _greet(self, client: EngineClient) -> None:
        self.energy_meter.listen(client)
        self.governor_loop.greet(client)
        if self._keep is not None:
            client.send(self._keep)
        if self.supervisor.restarts:
            self._follow(self.pool.restore())

    def on_exit(self, reason: ExitReason) -> None:
        """Note why an engine ended."""
        self.energy_meter.lost()
        self.pool.engine_ended(reason)
        if reason.short_of_memory:
            self.pool.forget_lost()

    def _follow(self, task: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task that is kept until its end."""
        follow = asyncio.create_task(told(task))
        self._follows.add(follow)
        follow.add_done_callback(self._follows.discard)

    def _hear(self, meter: Metered) -> None:
        self.energy_meter.hear(meter)
        self.observer.meter.hear(meter)

    def _at_work_for_nobody(self) -> bool:
        return self.pool.loading or self.supervisor.current is None


def _engine(config: Config, gpu_simulated: bool) -> tuple[str, ...]:
    command = OFFLINE if config.offline else ENGINE
    peers = [f"{RPC}{address}" for address in config.engine.rpc]
    return (*command, SIMULATED_GPU) if gpu_simulated else (*command, *peers)
