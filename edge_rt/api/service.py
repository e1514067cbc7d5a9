"""What the HTTP side needs from the rest of the daemon, and nothing more.

The daemon hands the app one object with this shape; tests hand it a fake.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from edge_rt.core.chat_format import ChatFormat, ChatPrompt
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
from edge_rt.generation.service import GenerationService
from edge_rt.generation.state import State
from edge_rt.generation.tasks import TaskService
from edge_rt.governor.loop import GovernorLoop
from edge_rt.routing.feedback import FeedbackStore
from edge_rt.routing.identities import Identities
from edge_rt.routing.router import RequestRouter


class Service(Protocol):
    """The daemon, as the API sees it: some of its parts, and what takes several of them."""

    router: RequestRouter
    generation: GenerationService
    tasks: TaskService
    identities: Identities
    feedback: FeedbackStore
    energy_meter: EnergyMeter
    governor_loop: GovernorLoop
    state: State

    def cards(self) -> list[ModelCard]:
        """Every model in the store, sorted by id."""
        ...

    def aliases(self) -> Mapping[str, str]:
        """Names that stand for those of models."""
        ...

    def loaded(self) -> list[LoadedModel]:
        """Every model in memory."""
        ...

    def card(self, model: str) -> ModelCard:
        """One model; raises ModelNotFound.

        As in every method, a name may be "default" or an alias, or have Ollama's ":latest" behind.
        """
        ...

    def trace(self, id: str) -> Trace:
        """Return why the request with that answer went where it did; raises RequestError."""
        ...

    async def render(self, model: str, prompt: ChatPrompt, client: str | None = None) -> str:
        """Return the prompt as that model reads it; clients take turns where several wait.

        Raises ModelNotFound, or RequestError with a `param` when the template refuses.
        """
        ...

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
        ...

    async def chat_format(self, model: str) -> ChatFormat:
        """Return how a model writes tool calls and thoughts, by its chat template.

        Raises ModelNotFound, or Unavailable where nothing can tell.
        """
        ...

    async def preload(self, model: str) -> None:
        """Load a model ahead of the first request; raises ModelNotFound or Unavailable."""
        ...

    async def unload(self, model: str) -> bool:
        """Unload a model unless a request uses it; return whether it is out of memory.

        Raises ModelNotFound.
        """
        ...

    def pull(self, model: str) -> AsyncGenerator[PullProgress]:
        """Fetch a model of the catalogue into the store; closing the generator stops that.

        Raises ModelNotFound, RequestError while the daemon is offline, Unavailable or StoreError.
        """
        ...

    def able(self, model: str, kind: Kind) -> ModelCard:
        """One model of that kind; raises ModelNotFound, or RequestError where it is another.

        "default" is the one that came first.
        """
        ...

    async def health(self) -> dict[str, object]:
        """Prove that an answer can be made; raises Unavailable or EngineError when not.

        Holds "status": "ok" and the proof, which is reused for a few seconds. "storage" names the
        files that cannot be written, "sensors" those that are not read, and "supply" what is wrong
        with the supply or its sensor, if anything.
        """
        ...

    async def status(self) -> dict[str, object]:
        """Return the daemon's state for people: version, uptime, engine, models, queue, memory."""
        ...

    def simulated(self) -> str | None:
        """Return the id of the simulated board that is read; None: this machine is read."""
        ...

    def board(self) -> BoardReport:
        """Return the latest readings of the board; reads no sensor."""
        ...

    def storage(self) -> StorageReport:
        """Return whether what is to outlive the daemon gets to the disk."""
        ...

    async def ledger(self, days: int, last: int) -> LedgerReport:
        """Totals of the last `days` UTC days, today included, and the `last` newest requests."""
        ...

    def budget(self) -> GovernorState:
        """Return the budget, the limits that it means now, and why."""
        ...

    def warnings(self) -> list[str]:
        """Return why the budget cannot be kept, or makes answers slow; costs next to nothing."""
        ...

    def history(self, since_s: float) -> Past:
        """Return how it was over the last `since_s` seconds, as far back as is kept."""
        ...

    async def plan(self, ask: PlanAsk) -> PlanReport:
        """Predict what each way takes; raises RequestError, ModelNotFound, Unavailable."""
        ...

    def tries(self, ask: PlanAsk) -> AsyncGenerator[PlanReport | Tried]:
        """Yield the plan, and then what came of each candidate that can be run.

        Raises as `plan`.
        """
        ...

    def calibrate(self, ask: CalibrateRequest) -> AsyncGenerator[Progress | Calibrated | Refused]:
        """Calibrate, and tell where that stands; Calibrated or Refused is the last word.

        Closing the generator ends it. Raises ModelNotFound or EngineError.
        """
        ...

    def calibration(self) -> Calibrated:
        """Return what was calibrated of the board and the models that are there now."""
        ...
