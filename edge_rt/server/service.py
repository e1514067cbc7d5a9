"""What the API asks for, answered by store, templates and engine."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from typing import TypeVar

import msgspec

from edge_rt.board.monitor import BoardMonitor
from edge_rt.config.schema import Config
from edge_rt.core.cached import Prefixes, Which
from edge_rt.core.chat_format import ChatFormat, PromptEnd
from edge_rt.core.decoding import Sampling
from edge_rt.core.errors import ModelNotFound, RequestError, Unavailable
from edge_rt.core.events import Embedded, Inferred, Tokenized
from edge_rt.core.reports.board import BoardReport, LedgerReport
from edge_rt.core.reports.governor import BudgetChange, GovernorState, Past
from edge_rt.core.reports.planning import (
    Calibrated,
    CalibrateRequest,
    PlanAsk,
    PlanReport,
    Progress,
    Refused,
    RouterReport,
    StorageReport,
    Tried,
)
from edge_rt.core.requests import (
    LATEST,
    Call,
    Cost,
    EmbedCall,
    Event,
    Identity,
    InferCall,
    LoadedModel,
    ModelCard,
    Plan,
    PullProgress,
    Repeat,
)
from edge_rt.core.routing import DecodingRequest, LoadConfig, RouteRequest
from edge_rt.core.trace import Trace
from edge_rt.energy.meter import EnergyMeter
from edge_rt.engine.hang_detector import EngineHealth
from edge_rt.engine.model_pool import Resident
from edge_rt.generation.identities import Identities
from edge_rt.generation.prompts import Prompting
from edge_rt.generation.service import GenerationService
from edge_rt.generation.state import State, model_problems, other_problems
from edge_rt.generation.tasks import TaskService
from edge_rt.generation.thinking import think_first
from edge_rt.generation.warming import WarmPrefix, warm_problems
from edge_rt.governor.knobs.board_knobs import BoardKnobs
from edge_rt.governor.loop import GovernorLoop
from edge_rt.models.formats.summary import Kind
from edge_rt.models.loading import resident_name
from edge_rt.models.naming import is_hub_name
from edge_rt.models.pair import Pair
from edge_rt.models.record import ModelRecord, of_kind, only, writer
from edge_rt.models.store.store import Store
from edge_rt.routing.choice.ask import AUTO
from edge_rt.routing.choice.words import unloadable
from edge_rt.routing.feedback import MarkFilter
from edge_rt.routing.services import RoutingServices
from edge_rt.server.model_work import ModelPulls
from edge_rt.server.state_directory import StorageHealth

ReportT = TypeVar("ReportT", LedgerReport, GovernorState, Past, PlanReport, Calibrated, Trace)

log = logging.getLogger(__name__)


class DaemonService:
    """The API's Service and the ModelHost of measurements, which state what each method does."""

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
        self._config = config
        self._store = store
        self._state = state
        self._health = health
        self._monitor = monitor
        self._energy_meter = energy_meter
        self._governor_loop = governor_loop
        self._knobs = knobs
        self.generation = generation
        self._tasks = tasks
        self._routing = routing
        self._storage = storage
        self._pulls = pulls
        self._identities = Identities(config, store, routing.routes)
        self._prompting = prompting
        self.warm: Callable[[], list[WarmPrefix]] = list  # the prefixes of `warm`, and their states

    def cards(self) -> list[ModelCard]:
        loaded = self.generation.loaded
        return [self._card(entry, loaded) for entry in self._store.entries()]

    def loaded(self) -> list[LoadedModel]:
        idle_s = self._config.models.idle_unload_s or None
        return self._state.loaded(self.generation.residents, idle_s)

    def card(self, model: str) -> ModelCard:
        return self._card(self.entry(self._resolved(model)), self.generation.loaded)

    def aliases(self) -> dict[str, str]:
        return self._config.models.aliases

    def plan_for(self, model: str) -> Plan:
        asked = writer(self.entry(model))
        other = self._smaller(asked)
        if other is None:
            return Plan(asked.id)
        why = f"{other.id} stands in for {asked.id}: {self._governor_loop.limits.why}"
        return Plan(other.id, asked=asked.id, less=why)

    async def route(self, request: RouteRequest) -> Plan:
        """Choose the model that answers a request.

        A stand-in that is good enough also answers for variants of the model asked for, except
        for variants that write less by themselves while the governor asks for that.
        """
        request = replace(request, model=self._resolved(request.model))
        if request.model != AUTO and "@" not in request.model:
            plan = self.plan_for(request.model)
            asked = plan.asked
            turns = asked is not None and self._turns(asked, request.mode)
            if asked is not None and not turns and self._stands_in(plan, asked, request):
                return plan
        return await self._routing.routes.route(request, self)

    def _stands_in(self, plan: Plan, asked: str, request: RouteRequest) -> bool:
        """Return whether the model of `plan` is good enough to stand in for `asked`.

        Raises Unavailable where it is not, and the model asked for cannot be loaded now either.
        """
        entry, other = self.entry(asked), self.entry(plan.model)
        short = self._routing.routes.floor.shortfall(other, entry, request.objectives)
        limits = self._governor_loop.limits
        if short is not None and not limits.heavy and self.generation.loads(entry):
            raise unloadable(asked, f"{other.id} may not stand in for it: {short}", limits)
        return short is None

    def identities(self, model: str, partner: str | None) -> tuple[Identity, ...]:
        return self._identities.of(self._resolved(model), partner, self)

    async def prefixes(self, forget: Which | None = None) -> Prefixes:
        return await self._state.prefixes(forget)

    def repeated(self, repeat: Repeat) -> None:
        self._energy_meter.repeated(repeat)

    def mark(self, id: str, mark: float) -> bool:
        return self._routing.feedback.mark(id, mark)

    def router(self) -> RouterReport:
        return self._routing.feedback.report()

    def reset_router(self, which: MarkFilter) -> int:
        return self._routing.feedback.reset(which)

    def trace(self, id: str) -> Trace:
        return self._named(self._routing.routes.traces.get(id))

    async def render(
        self,
        model: str,
        messages: list[dict[str, object]],
        *,
        tools: list[dict[str, object]] | None = None,
        variables: dict[str, object] | None = None,
        client: str | None = None,
        end: PromptEnd = "assistant",
    ) -> str:
        entry = writer(self.entry(model))
        context = self._context(entry)
        write = self._prompting.write
        return await write(entry, context, messages, tools, variables, client, end)

    async def chat_format(self, model: str) -> ChatFormat:
        return await self._prompting.format(writer(self.entry(model)))

    async def tokenize(
        self,
        model: str,
        text: str | list[int],
        *,
        special: bool = True,
        begins: bool = False,
        pieces: bool = False,
    ) -> Tokenized:
        entry = writer(self.entry(self._resolved(model)))
        ask = self._state.tokenize
        return await ask(entry, text, special=special, begins=begins, pieces=pieces)

    def generate(self, call: Call) -> AsyncGenerator[Event, None]:
        return self._generate(call) if call.thinking is None else think_first(call, self._generate)

    def _generate(self, call: Call) -> AsyncGenerator[Event, None]:
        plan = call.plan
        partner = None if plan.mode is None else plan.mode.partner
        other = None if partner is None else writer(self.entry(partner))
        return self.generation.generate(writer(self.entry(plan.model)), call, other)

    def able(self, model: str, kind: Kind) -> ModelCard:
        return self._card(self._able(self._resolved(model), kind), self.generation.loaded)

    async def embed(self, call: EmbedCall) -> tuple[Embedded, Cost]:
        return await self._tasks.embed(self._able(call.model, "embedding"), call)

    async def infer(self, call: InferCall) -> tuple[Inferred, Cost]:
        return await self._tasks.infer(self._able(call.model, "tensors"), call)

    async def health(self) -> dict[str, object]:
        for problem in model_problems(self._config, self._store):
            if problem.fatal:  # somebody has to install a model first
                raise Unavailable(problem.message, retry_after_s=None, code=problem.code)
        proof = await self._health.prove()
        knobs = {knob.name: knob.error for knob in self.budget().knobs if knob.error is not None}
        failing = {
            "storage": self._storage.failing,
            "sensors": self.board().left_out,
            "supply": self._governor_loop.supply(),
            "knobs": knobs,
        }
        return proof | {name: reasons for name, reasons in failing.items() if reasons}

    async def status(self) -> dict[str, object]:
        governor, queued = self.budget(), self._governor_loop.admission.waiting
        heat = self._governor_loop.heat.state(self._governor_loop.seen)
        storage, board = self._storage.report(), self.board()
        problems = [
            *model_problems(self._config, self._store),
            *other_problems(governor, queued, storage.failing, board.left_out),
            *warm_problems(self.warm()),
        ]
        told = {"store": str(self._store.root.absolute()), "warm": self.warm()}
        return told | await self._state.report(
            self.cards(),
            board,
            governor,
            heat,
            queued,
            storage,
            problems,
            self.generation.residents,
        )

    def simulated(self) -> str | None:
        return self._monitor.simulated

    def board(self) -> BoardReport:
        report = self._monitor.report(self._energy_meter.idle_w)
        left_out = report.left_out | self._governor_loop.governor.report.distrusted
        return msgspec.structs.replace(report, left_out=left_out)

    def storage(self) -> StorageReport:
        return self._storage.report()

    async def ledger(self, days: int, last: int) -> LedgerReport:
        return self._named(await self._energy_meter.ledger(days, last))

    def budget(self) -> GovernorState:
        return self._named(self._governor_loop.state(self._knobs.report()))

    def warnings(self) -> list[str]:
        return [*self._governor_loop.warnings(), *self._governor_loop.supply()]

    def set_budget(self, change: BudgetChange) -> None:
        self._governor_loop.change(change)

    def history(self, since_s: float) -> Past:
        return self._named(self._governor_loop.history.past(since_s))

    async def plan(self, ask: PlanAsk) -> PlanReport:
        return self._named(await self._routing.planner.plan(self._meant(ask), self))

    async def tries(self, ask: PlanAsk) -> AsyncGenerator[PlanReport | Tried]:
        async with aclosing(self._routing.planner.tries(self._meant(ask), self)) as told:
            async for one in told:
                yield self._named(one) if isinstance(one, PlanReport) else one

    async def calibrate(
        self, ask: CalibrateRequest
    ) -> AsyncGenerator[Progress | Calibrated | Refused]:
        async with aclosing(self._routing.calibrator.calibrate(ask, self)) as told:
            async for one in told:
                yield self._named(one) if isinstance(one, Calibrated) else one

    def calibration(self) -> Calibrated:
        return self._named(self._routing.calibrator.report(self))

    def entries(self) -> list[ModelRecord]:
        return self._store.entries()

    def pairs(self, large: str) -> list[Pair]:
        return self._store.catalogue.pairs_of(large)

    def resident(
        self, entry: ModelRecord, partner: ModelRecord | None = None, load: LoadConfig | None = None
    ) -> AbstractAsyncContextManager[Resident]:
        return self.generation.resident(entry, partner, load)

    async def preload(self, model: str, load: LoadConfig | None = None) -> None:
        await self.generation.preload(self.entry(self._resolved(model)), load)

    async def unload(self, model: str) -> bool:
        return await self.generation.unload(self.entry(self._resolved(model)))

    def pull(self, model: str) -> AsyncGenerator[PullProgress]:
        return self._pulls.pull(self._resolved(model))

    def _resolved(self, model: str) -> str:
        """The name without Ollama's usual tag, or what an alias of the configuration stands for.

        What was fetched by a name of the hub has an id of its own.
        """
        aliases, name = self._config.models.aliases, model.removesuffix(LATEST)
        name = aliases.get(model) or aliases.get(name, name)
        return (is_hub_name(name) and self._store.fetched_as(name)) or name

    def _meant(self, ask: PlanAsk) -> PlanAsk:
        return msgspec.structs.replace(ask, models=[*map(self._resolved, ask.models)])

    def _named(self, report: ReportT) -> ReportT:
        """`report` with the simulated board, if any, whose figures it holds."""
        return msgspec.structs.replace(report, simulated=self.simulated())

    def _turns(self, model: str, request: DecodingRequest) -> bool:
        """Whether a model would write by turns with a smaller one."""
        return self._routing.routes.offer(writer(self.entry(model)), request, self).turns

    def _smaller(self, entry: ModelRecord) -> ModelRecord | None:
        """The model that answers for `entry` as long as the governor asks for smaller ones."""
        limits, name = self._governor_loop.limits, self._config.models.smaller.get(entry.id)
        if not limits.smaller or name is None:
            return None
        try:
            other = writer(self._store.get(name))
        except (ModelNotFound, RequestError) as error:
            log.warning("models.smaller: nothing stands in for %s: %s", entry.id, error)
            return None
        blocked = not limits.heavy and self.generation.loads(other)
        return None if blocked and not self.generation.loads(entry) else other

    def entry(self, model: str) -> ModelRecord:
        if model != "default":
            return self._store.get(model)
        name = self._config.models.default
        entry = self._store.get(name) if name is not None else self._store.default(None)
        if entry is None:
            raise ModelNotFound("no text model is installed: run edge-rt models pull")
        return entry

    def _able(self, model: str, kind: Kind) -> ModelRecord:
        if model == "default":
            return only(self._store.entries(), kind)
        return of_kind(self._store.get(model), kind)

    def _context(self, entry: ModelRecord) -> int:
        return min(self._config.engine.context, entry.summary.context_train)

    def _card(self, entry: ModelRecord, loaded: set[str]) -> ModelCard:
        return ModelCard(
            id=entry.id,
            created=entry.created,
            owned_by=entry.owner,
            context=self._context(entry),
            loaded=resident_name(entry) in loaded,
            size_bytes=entry.size,
            sha256=entry.sha256,
            backend=entry.backend,
            sampling=Sampling(**entry.sampling.given()),
            has_template=entry.summary.chat_template is not None,
            kind=entry.kind,
            variant=entry.label if entry.kind == "language" else None,
            architecture=entry.summary.architecture,
            parameters=entry.summary.parameters,
            quantisation=entry.summary.quantisation,
            licence=entry.licence,
            template=entry.summary.chat_template,
        )
