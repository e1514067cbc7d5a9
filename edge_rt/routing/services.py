"""The services that predict, plan and learn, wired together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from edge_rt.board.meters import CpuWatch
from edge_rt.board.monitor import BoardMonitor
from edge_rt.board.readers.cpu import CpuReader
from edge_rt.board_model.calibration import FOLDER
from edge_rt.config.schema import Config
from edge_rt.core.clock import Pause
from edge_rt.core.decoding import Mode
from edge_rt.core.occupancy import Occupancy
from edge_rt.core.routing import USUAL_TOKENS, Prediction, Served
from edge_rt.energy.calibration.calibrator import Calibrator
from edge_rt.energy.calibration.measurement import Measurer
from edge_rt.energy.calibration.readiness import Readiness
from edge_rt.energy.calibration.session import Tools
from edge_rt.energy.calibration.timing import ModelTimer
from edge_rt.energy.meter import EnergyMeter
from edge_rt.energy.prediction.forecaster import Forecaster
from edge_rt.energy.prediction.online_updates import OnlineUpdates, fewest
from edge_rt.engine.model_pool import ModelPool
from edge_rt.engine.supervisor import Supervisor
from edge_rt.governor.loop import GovernorLoop
from edge_rt.models.directory import ModelDirectory
from edge_rt.models.pair import SINGLE
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.store import Store
from edge_rt.routing.candidates import Candidates
from edge_rt.routing.identities import Identities
from edge_rt.routing.lengths import Lengths, Sizing
from edge_rt.routing.loading import ModelManager, Room
from edge_rt.routing.planner import Planner
from edge_rt.routing.prompts import Prompting
from edge_rt.routing.router import RequestRouter
from edge_rt.routing.variants import Variants


class RoutingServices:
    """The services that predict answers, and those that measure and learn for that."""

    def __init__(
        self,
        config: Config,
        state_folder: Path,
        cores: int,
        *,
        store: Store,
        prompting: Prompting,
        supervisor: Supervisor,
        pool: ModelPool,
        occupancy: Occupancy,
        monitor: BoardMonitor,
        energy_meter: EnergyMeter,
        governor_loop: GovernorLoop,
        available: Callable[[], int],
        clock: Callable[[], float],
        pause: Pause = asyncio.sleep,
        reader: CpuReader | None = None,
    ) -> None:
        """Wire the services.

        `cores` is the most threads that the engine may use, `available` gives the free bytes of
        memory; `clock` is in seconds, and `pause` lets them pass.
        """
        folder = state_folder / FOLDER
        self._governor_loop = governor_loop
        self.models = ModelDirectory(store, config.models, self._token_s)
        self.forecaster = Forecaster(
            folder,
            config.engine,
            cores,
            lambda: monitor.snapshot,
            lambda: energy_meter.idle_w,
        )
        self.lessons = OnlineUpdates(self._learn, lambda: governor_loop.limits.threads)
        measurer = Measurer(energy_meter, governor_loop, clock)
        self.room = Room(config, pool, available, lambda: supervisor.gpus)
        self.manager = ModelManager(config.engine, store, pool, self.room, governor_loop.admit)
        self.variants = Variants(config.engine, pool, self.forecaster)
        self.lengths = Lengths(pool, config.engine.sequences)
        self.identities = Identities(config, self.models)
        sizing = Sizing(self.lengths, supervisor.client, config.engine)
        candidates = Candidates(self.forecaster, governor_loop.heat, self.variants)
        self.router = RequestRouter(
            config,
            self.models,
            candidates,
            self.variants,
            sizing,
            prompting,
            governor_loop=governor_loop,
            manager=self.manager,
            pool=pool,
            room=self.room,
        )
        cpu = CpuWatch(reader or CpuReader(), clock)
        readiness = Readiness(governor_loop, cpu, lambda: supervisor.pid, pause)
        self.planner = Planner(
            self.models,
            self.router,
            candidates,
            prompting,
            sizing,
            self._learn,
            governor_loop=governor_loop,
            manager=self.manager,
            measurer=measurer,
            occupancy=occupancy,
            readiness=readiness,
            room=self.room,
            engine=config.engine,
            cores=cores,
            pause=pause,
        )
        tools = Tools(
            models=self.models,
            resident=lambda entry, load: self.manager.resident(entry, load=load),
            forecaster=self.forecaster,
            loads=self.variants.offloads,
            loaded=self.variants.load_config,
            timing=ModelTimer(measurer, governor_loop, readiness, clock, pause),
            readiness=readiness,
            leakage=governor_loop.heat.leakage,
            folder=folder,
            clock=clock,
            wall=lambda: datetime.now(timezone.utc),
        )
        self.calibrator = Calibrator(tools, occupancy.lend, cores)

    def least(
        self,
        entry: ModelRecord,
        prompt_tokens: int,
        cached_tokens: int,
        threads: int | None = None,
        completion_tokens: int = 1,
    ) -> Prediction | None:
        """Return what a prompt and its answer take at the limits of now, with at most `threads`."""
        limits, load = self._governor_loop.limits, self.variants.load_config(entry)
        tokens = prompt_tokens, cached_tokens, completion_tokens
        threads = fewest(threads, limits.threads)
        found = self.forecaster.predict(entry, threads, *tokens, limits.duty or 1.0, load)
        return found if isinstance(found, Prediction) else None

    def _token_s(self, entry: ModelRecord) -> float:
        """Return seconds a token, or where they are not known, the bytes that are read for it."""
        found = self.forecaster.predict(entry, self._governor_loop.limits.threads, *USUAL_TOKENS)
        return found.decode_s if isinstance(found, Prediction) else float(entry.size)

    def _learn(self, entry: ModelRecord, threads: int, served: Served, mode: Mode) -> None:
        """Learn what `entry` takes by itself, or what another mode makes of that."""
        if mode.name == SINGLE:
            self.forecaster.learn(entry, threads, served, self.variants.load_config(entry))
        else:
            small = None if mode.partner is None else self.models.writer(mode.partner)
            self.router.under_cap.learn(entry, small, mode, threads, served)
