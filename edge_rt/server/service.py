"""What the API asks for, answered by store, templates and engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

import msgspec

from edge_rt.board.monitor import BoardMonitor
from edge_rt.config.schema import Config
from edge_rt.core.chat_format import ChatFormat, ChatPrompt
from edge_rt.core.errors import Unavailable
from edge_rt.core.events import Tokenized
from edge_rt.core.reports.board import BoardReport, LedgerReport
from edge_rt.core.reports.governor import GovernorState, Past
from edge_rt.core.reports.planning import (
    Calibrated,
    CalibrateRequest,
    PlanAsk,
    PlanReport,
    Progress,
    Refused,
    StorageReport,
    Tried,
)
from edge_rt.core.requests import Kind, LoadedModel, ModelCard, PullProgress
from edge_rt.core.trace import Trace
from edge_rt.energy.meter import EnergyMeter
from edge_rt.engine.hang_detector import EngineHealth
from edge_rt.generation.service import GenerationService
from edge_rt.generation.state import State, model_problems, other_problems
from edge_rt.generation.tasks import TaskService
from edge_rt.generation.warming import WarmPrefix, warm_problems
from edge_rt.governor.knobs.board_knobs import BoardKnobs
from edge_rt.governor.loop import GovernorLoop
from edge_rt.models.directory import card_of
from edge_rt.models.loading import context_of, resident_name
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.store import Store
from edge_rt.routing.prompts import Prompting
from edge_rt.routing.services import RoutingServices
from edge_rt.server.model_work import ModelPulls
from edge_rt.server.state_directory import StorageHealth

ReportT = TypeVar("ReportT", LedgerReport, GovernorState, Past, PlanReport, Calibrated, Trace)


class DaemonService:
    """The API's Service, which states what each part and method does."""

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        state: State,
        health: EngineHealth,
        monitor: BoardMonitor,
        energy_meter: EnergyMeter,
        governor_loop: GovernorLoop,
        knobs: BoardKnobs,
        generation: GenerationService,
        tasks: TaskService,
        routing: RoutingServices,
        prompting: Prompting,
        storage: StorageHealth,
        pulls: ModelPulls,
    ) -> None:
        self.generation, self.tasks, self.state = generation, tasks, state
        self.router, self.identities = routing.router, routing.identities
        self.feedback, self.energy_meter = routing.feedback, energy_meter
        self.governor_loop = governor_loop
        self.warm: Callable[[], list[WarmPrefix]] = list  # the prefixes of `warm`, and their states
        self._config, self._store = config, store
        self._models, self._routing, self._prompting = routing.models, routing, prompting
        self._health, self._monitor, self._knobs = health, monitor, knobs
        self._storage, self._pulls = storage, pulls

    # --- models

    def cards(self) -> list[ModelCard]:
        loaded = self._routing.manager.loaded
        return [self._card(entry, loaded) for entry in self._models.entries()]

    def card(self, model: str) -> ModelCard:
        return self._card(self._models.find(model), self._routing.manager.loaded)

    def able(self, model: str, kind: Kind) -> ModelCard:
        return self._card(self._models.able(model, kind), self._routing.manager.loaded)

    def aliases(self) -> dict[str, str]:
        return self._config.models.aliases

    def loaded(self) -> list[LoadedModel]:
        return self.state.loaded(self._config.models.idle_unload_s or None)

    async def preload(self, model: str) -> None:
        await self._routing.manager.preload(self._models.find(model))

    async def unload(self, model: str) -> bool:
        return await self._routing.manager.unload(self._models.find(model))

    def pull(self, model: str) -> AsyncGenerator[PullProgress]:
        return self._pulls.pull(self._models.resolve(model))

    def _card(self, entry: ModelRecord, loaded: set[str]) -> ModelCard:
        return card_of(entry, self._config.engine, loaded=resident_name(entry) in loaded)

    # --- prompts

    async def render(self, model: str, prompt: ChatPrompt, client: str | None = None) -> str:
        entry = self._models.writer(model)
        context = context_of(entry, self._config.engine)
        return await self._prompting.write(entry, context, prompt, client)

    async def chat_format(self, model: str) -> ChatFormat:
        return await self._prompting.format(self._models.writer(model))

    async def tokenize(
        self,
        model: str,
        text: str | list[int],
        *,
        special: bool = True,
        begins: bool = False,
        pieces: bool = False,
    ) -> Tokenized:
        entry, ask = self._models.writer(self._models.resolve(model)), self.state.tokenize
        return await ask(entry, text, special=special, begins=begins, pieces=pieces)

    # --- what takes several parts

    async def health(self) -> dict[str, object]:
        for problem in model_problems(self._config, self._store):
            if problem.fatal:  # somebody has to install a model first
                raise Unavailable(problem.message, retry_after_s=None, code=problem.code)
        proof = await self._health.prove()
        knobs = {knob.name: knob.error for knob in self.budget().knobs if knob.error is not None}
        failing = {
            "storage": self._storage.failing,
            "sensors": self.board().left_out,
            "supply": self.governor_loop.supply(),
            "knobs": knobs,
        }
        return proof | {name: reasons for name, reasons in failing.items() if reasons}

    async def status(self) -> dict[str, object]:
        governor, queued = self.budget(), self.governor_loop.admission.waiting
        heat = self.governor_loop.heat.state(self.governor_loop.seen)
        storage, board = self._storage.report(), self.board()
        problems = [
            *model_problems(self._config, self._store),
            *other_problems(governor, queued, storage.failing, board.left_out),
            *warm_problems(self.warm()),
        ]
        told = {"store": str(self._store.root.absolute()), "warm": self.warm()}
        return told | await self.state.report(
            self.cards(), board, governor, heat, queued, storage, problems
        )

    def simulated(self) -> str | None:
        return self._monitor.simulated

    def board(self) -> BoardReport:
        report = self._monitor.report(self.energy_meter.idle_w)
        left_out = report.left_out | self.governor_loop.governor.report.distrusted
        return msgspec.structs.replace(report, left_out=left_out)

    def storage(self) -> StorageReport:
        return self._storage.report()

    def budget(self) -> GovernorState:
        return self._named(self.governor_loop.state(self._knobs.report()))

    def warnings(self) -> list[str]:
        return [*self.governor_loop.warnings(), *self.governor_loop.supply()]

    # --- reports, with the simulated board, if any, whose figures they hold

    async def ledger(self, days: int, last: int) -> LedgerReport:
        return self._named(await self.energy_meter.ledger(days, last))

    def history(self, since_s: float) -> Past:
        return self._named(self.governor_loop.history.past(since_s))

    def trace(self, id: str) -> Trace:
        return self._named(self.router.traces.get(id))

    async def plan(self, ask: PlanAsk) -> PlanReport:
        return self._named(await self._routing.planner.plan(ask))

    async def tries(self, ask: PlanAsk) -> AsyncGenerator[PlanReport | Tried]:
        async with aclosing(self._routing.planner.tries(ask)) as told:
            async for one in told:
                yield self._named(one) if isinstance(one, PlanReport) else one

    async def calibrate(
        self, ask: CalibrateRequest
    ) -> AsyncGenerator[Progress | Calibrated | Refused]:
        async with aclosing(self._routing.calibrator.calibrate(ask)) as told:
            async for one in told:
                yield self._named(one) if isinstance(one, Calibrated) else one

    def calibration(self) -> Calibrated:
        return self._named(self._routing.calibrator.report())

    def _named(self, report: ReportT) -> ReportT:
        return msgspec.structs.replace(report, simulated=self.simulated())
