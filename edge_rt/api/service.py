"""What the HTTP side needs from the rest of the daemon, and nothing more.

Tests hand the app another object with this shape.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Container
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
from edge_rt.core.reports.load import LoadReport, ModelLoad
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
from edge_rt.core.requests import Kind, LoadedModel, ModelCard
from edge_rt.core.routing import USUAL_TOKENS
from edge_rt.core.trace import Trace
from edge_rt.energy.ledger_records import battery_s
from edge_rt.energy.meter import EnergyMeter
from edge_rt.generation.service import GenerationService
from edge_rt.generation.speech import SpeechService
from edge_rt.generation.state import State, model_problems, other_problems
from edge_rt.generation.tasks import TaskService
from edge_rt.generation.warming import WarmPrefix, warm_problems
from edge_rt.governor.knobs.board_knobs import BoardKnobs
from edge_rt.governor.loop import GovernorLoop
from edge_rt.models.directory import card_of, writer
from edge_rt.models.loading import context_of, resident_name
from edge_rt.models.record import ModelRecord, writers
from edge_rt.models.store.store import Store
from edge_rt.routing.prompts import Prompting
from edge_rt.routing.services import RoutingServices

ReportT = TypeVar("ReportT", LedgerReport, GovernorState, Past, PlanReport, Calibrated, Trace)


class Service:
    """The daemon, as the API sees it: some of its parts, and what takes several of them."""

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        state: State,
        prove: Callable[[], Awaitable[dict[str, object]]],
        monitor: BoardMonitor,
        energy_meter: EnergyMeter,
        governor_loop: GovernorLoop,
        knobs: BoardKnobs,
        generation: GenerationService,
        tasks: TaskService,
        speech: SpeechService,
        routing: RoutingServices,
        prompting: Prompting,
        storage: Callable[[], StorageReport],
    ) -> None:
        self.generation, self.tasks, self.state = generation, tasks, state
        self.speech = speech
        self.router, self.identities = routing.router, routing.identities
        self.energy_meter = energy_meter
        self.governor_loop = governor_loop
        self.warm: Callable[[], list[WarmPrefix]] = list  # the prefixes of `warm`, and their states
        self._config, self._store = config, store
        self._models, self._routing, self._prompting = routing.models, routing, prompting
        self._prove, self._monitor, self._knobs = prove, monitor, knobs
        self.storage = storage

    # --- models

    def cards(self) -> list[ModelCard]:
        """Every model in the store, sorted by id."""
        loaded = self._routing.manager.loaded
        return [self._card(entry, loaded) for entry in self._models.entries()]

    def card(self, model: str) -> ModelCard:
        """One model; raises ModelNotFound.

        As in every method, a name may be "default" or an alias, or have Ollama's ":latest" behind.
        """
        return self._card(self._models.find(model), self._routing.manager.loaded)

    def able(self, model: str, kind: Kind) -> ModelCard:
        """One model of that kind; raises ModelNotFound, or RequestError where it is another.

        "default" is the one that came first.
        """
        return self._card(self._models.able(model, kind), self._routing.manager.loaded)

    def sees(self, model: str) -> bool:
        """Return whether any model that may answer for that name sees images.

        Raises ModelNotFound, or RequestError for a model that writes no text.
        """
        return any(entry.projector for entry in self._models.candidates(model))

    def aliases(self) -> dict[str, str]:
        """Names that stand for those of models."""
        return self._config.models.aliases

    def loaded(self) -> list[LoadedModel]:
        """Every model in memory."""
        return self.state.loaded(self._config.models.idle_unload_s or None)

    async def preload(self, model: str) -> None:
        """Load a model ahead of the first request; raises ModelNotFound or Unavailable."""
        await self._routing.manager.preload(self._models.find(model))

    async def unload(self, model: str) -> bool:
        """Unload a model unless a request uses it; return whether it is out of memory.

        Raises ModelNotFound.
        """
        return await self._routing.manager.unload(self._models.find(model))

    def _card(self, entry: ModelRecord, loaded: set[str]) -> ModelCard:
        return card_of(entry, self._config.engine, loaded=resident_name(entry) in loaded)

    # --- prompts

    def window(self, model: str) -> tuple[str, int]:
        """Return the model with the longest conversations of those that may answer, and how long.

        Their tokens are those of prompt and answer. Raises ModelNotFound, or RequestError where
        none writes text.
        """
        entries = map(writer, self._models.candidates(model))
        found = [(context_of(entry, self._config.engine), entry.id) for entry in entries]
        tokens, id = max(found)
        return id, tokens

    async def render(self, model: str, prompt: ChatPrompt, client: str | None = None) -> str:
        """Return the prompt as that model reads it; clients take turns where several wait.

        Raises ModelNotFound, or RequestError with a `param` when the template refuses.
        """
        entry = self._models.writer(model)
        context = context_of(entry, self._config.engine)
        return await self._prompting.write(entry, context, prompt, client)

    async def chat_format(self, model: str) -> ChatFormat:
        """Return how a model writes tool calls and thoughts, by its chat template.

        Raises ModelNotFound, or Unavailable where nothing can tell.
        """
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
        """Return the tokens of a text for a language model, or what tokens stand for.

        `special`: control tokens that are written out in the text become those tokens; `begins`:
        the model's first token comes first; `pieces`: the bytes of each token are told. Raises
        ModelNotFound, RequestError or Unavailable.
        """
        entry, ask = self._models.writer(self._models.resolve(model)), self.state.tokenize
        return await ask(entry, text, special=special, begins=begins, pieces=pieces)

    # --- what takes several parts

    async def health(self) -> dict[str, object]:
        """Prove that the engine answers; raises Unavailable or EngineError when it does not.

        Holds "status": "ok" and the proof. "storage" names the
        files that cannot be written, "sensors" those that are not read, and "supply" what is wrong
        with the supply or its sensor, if anything.
        """
        for problem in model_problems(self._config, self._store):
            if problem.fatal:  # somebody has to install a model first
                raise Unavailable(problem.message, retry_after_s=None, code=problem.code)
        proof = await self._prove()
        knobs = {knob.name: knob.error for knob in self.budget().knobs if knob.error is not None}
        failing = {
            "storage": self.storage().failing,
            "sensors": self.board().left_out,
            "supply": self.governor_loop.supply(),
            "knobs": knobs,
        }
        return proof | {name: reasons for name, reasons in failing.items() if reasons}

    async def status(self) -> dict[str, object]:
        """Return the daemon's state for people: version, uptime, engine, models, queue, memory."""
        governor, queued = self.budget(), self.governor_loop.admission.waiting
        heat = self.governor_loop.heat.state(self.governor_loop.seen)
        storage, board = self.storage(), self.board()
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
        """Return the id of the simulated board that is read; None: this machine is read."""
        return self._monitor.simulated

    def board(self) -> BoardReport:
        """Return the latest readings of the board; reads no sensor."""
        report = self._monitor.report(self.energy_meter.idle_w)
        left_out = report.left_out | self.governor_loop.governor.report.distrusted
        return msgspec.structs.replace(report, left_out=left_out)

    def budget(self) -> GovernorState:
        """Return the budget, the limits that it means now, and why."""
        return self._named(self.governor_loop.state(self._knobs.report()))

    def load(self) -> LoadReport:
        """Return what a balancer has to know; asks neither the engine nor a sensor."""
        limits, governor = self.governor_loop.limits, self.governor_loop.governor.report
        occupancy, supply = self.state.occupancy, self.board().supply
        refused_s = limits.retry_after_s if limits.admission == "refuse" else None
        loaded = {one.id for one in self.loaded()}
        return LoadReport(
            power_w=supply.power_w if supply else None,
            idle_w=self.energy_meter.idle_w,
            working_w=governor.predicted_w,
            allowance_w=limits.allowance_w,
            admission=limits.admission,
            retry_after_s=occupancy.retry_after_s if refused_s is None else refused_s,
            requests=occupancy.active,
            queued=self.governor_loop.admission.waiting,
            sequences=self._config.engine.sequences,
            models=[self._usual(one, loaded) for one in writers(self._models.entries())],
            simulated=self.simulated(),
        )

    def _usual(self, entry: ModelRecord, loaded: Container[str]) -> ModelLoad:
        prompt, cached, completion = USUAL_TOKENS
        found = self._routing.least(entry, prompt, cached, completion_tokens=completion)
        energy_j = found and found.energy_j
        return ModelLoad(
            id=entry.id,
            resident=entry.id in loaded,
            token_s=None if found is None else found.seconds / completion,
            token_j=None if energy_j is None else energy_j / completion,
        )

    def warnings(self) -> list[str]:
        """Return why the budget cannot be kept, or makes answers slow; costs next to nothing."""
        return [*self.governor_loop.warnings(), *self.governor_loop.supply()]

    # --- reports, with the simulated board, if any, whose figures they hold

    async def ledger(self, days: int, last: int) -> LedgerReport:
        """Totals of the last `days` UTC days, today included, and the `last` newest requests."""
        report = await self.energy_meter.ledger(days, last)
        lasts_s = battery_s(self._config.battery_wh, report.days)
        return self._named(msgspec.structs.replace(report, battery_s=lasts_s))

    def history(self, since_s: float) -> Past:
        """Return how it was over the last `since_s` seconds, as far back as is kept."""
        return self._named(self.governor_loop.history.past(since_s))

    def trace(self, id: str) -> Trace:
        """Return why the request with that answer went where it did; raises RequestError."""
        return self._named(self.router.traces.get(id))

    async def plan(self, ask: PlanAsk) -> PlanReport:
        """Predict what each way takes; raises RequestError, ModelNotFound, Unavailable."""
        report, ledger = await self._routing.planner.plan(ask), await self.ledger(1, 0)
        return self._named(msgspec.structs.replace(report, battery_s=ledger.battery_s))

    async def tries(self, ask: PlanAsk) -> AsyncGenerator[PlanReport | Tried]:
        """Yield the plan, and then what came of each candidate that can be run.

        Raises as `plan`.
        """
        async with aclosing(self._routing.planner.tries(ask)) as told:
            async for one in told:
                yield self._named(one) if isinstance(one, PlanReport) else one

    async def calibrate(
        self, ask: CalibrateRequest
    ) -> AsyncGenerator[Progress | Calibrated | Refused]:
        """Calibrate, and tell where that stands; Calibrated or Refused is the last word.

        Closing the generator ends it. Raises ModelNotFound or EngineError.
        """
        async with aclosing(self._routing.calibrator.calibrate(ask)) as told:
            async for one in told:
                yield self._named(one) if isinstance(one, Calibrated) else one

    def calibration(self) -> Calibrated:
        """Return what was calibrated of the board and the models that are there now."""
        return self._named(self._routing.calibrator.report())

    def _named(self, report: ReportT) -> ReportT:
        return msgspec.structs.replace(report, simulated=self.simulated())
