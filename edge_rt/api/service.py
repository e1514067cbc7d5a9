"""What the HTTP side needs from the rest of the daemon, and nothing more.

The daemon hands the app one object with this shape; tests hand it a fake.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from edge_rt.core.cached import Prefixes, Which
from edge_rt.core.chat_format import ChatFormat, PromptEnd
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
    Call,
    Cost,
    EmbedCall,
    Event,
    Identity,
    InferCall,
    Kind,
    LoadedModel,
    ModelCard,
    Plan,
    PullProgress,
    Repeat,
)
from edge_rt.core.routing import RouteRequest
from edge_rt.core.trace import Trace
from edge_rt.routing.feedback import MarkFilter


class Service(Protocol):
    """The daemon, as the API sees it."""

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

    async def route(self, request: RouteRequest) -> Plan:
        """The model to answer a request.

        A model's name stands for all variants of it, "auto" for any model. Raises ModelNotFound,
        RequestError or Unavailable where there is none that can, and what `request.write` raises.
        """
        ...

    def identities(self, model: str, partner: str | None) -> tuple[Identity, ...]:
        """The models that may answer for a name, with that partner if they are to have one.

        Costs next to nothing while the store stays as it is. Raises ModelNotFound or RequestError
        where there is none.
        """
        ...

    async def prefixes(self, forget: Which | None = None) -> Prefixes:
        """What the engine keeps of prompts, once `forget` is gone; raises Unavailable."""
        ...

    def repeated(self, repeat: Repeat) -> None:
        """Book an answer that was given again, without any engine."""
        ...

    def mark(self, id: str, mark: float) -> bool:
        """Keep that an answer was found so good, 0 to 1.

        False where it is not known which model made it, or that was too long ago.
        """
        ...

    def router(self) -> RouterReport:
        """The marks of answers."""
        ...

    def reset_router(self, which: MarkFilter) -> int:
        """Forget marks; of how many models and modes."""
        ...

    def trace(self, id: str) -> Trace:
        """Why the request with the answer of that id went where it did; raises RequestError."""
        ...

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
        """The model's chat template over `messages`, up to that end.

        Clients take turns where several wait.

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
        """The tokens of a text for a language model, or what tokens stand for.

        `special`: control tokens that are written out in the text become those tokens; `begins`:
        the model's first token comes first; `pieces`: the bytes of each token are told. Raises
        ModelNotFound, RequestError or Unavailable.
        """
        ...

    async def chat_format(self, model: str) -> ChatFormat:
        """How a model writes tool calls and thoughts, by its chat template.

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

    def generate(self, call: Call) -> AsyncGenerator[Event, None]:
        """Run `call`, loading its model when needed.

        A Cost comes once, just before the Finished that ends the call. Closing the generator
        early cancels the request. Raises ModelNotFound, RequestError (its fault, such as limits
        that cannot be kept), Unavailable (later, perhaps) or EngineError.
        """
        ...

    def able(self, model: str, kind: Kind) -> ModelCard:
        """One model of that kind; raises ModelNotFound, or RequestError where it is another.

        "default" is the one that came first.
        """
        ...

    async def embed(self, call: EmbedCall) -> tuple[Embedded, Cost]:
        """The vectors, and what they cost; loads the model when needed. Raises as `generate`."""
        ...

    async def infer(self, call: InferCall) -> tuple[Inferred, Cost]:
        """The outputs, and what they cost; loads the model when needed. Raises as `generate`."""
        ...

    async def health(self) -> dict[str, object]:
        """Prove that an answer can be made; raises Unavailable or EngineError when not.

        Holds "status": "ok" and the proof, which is reused for a few seconds. "storage" names the
        files that cannot be written, "sensors" those that are not read, and "supply" what is wrong
        with the supply or its sensor, if anything.
        """
        ...

    async def status(self) -> dict[str, object]:
        """The daemon's state for people: version, uptime, engine, models, queue, memory."""
        ...

    def simulated(self) -> str | None:
        """The id of the simulated board that is read; None: the board is this machine's own."""
        ...

    def board(self) -> BoardReport:
        """Return the latest readings of the board; reads no sensor."""
        ...

    def storage(self) -> StorageReport:
        """Whether what is to outlive the daemon gets to the disk."""
        ...

    async def ledger(self, days: int, last: int) -> LedgerReport:
        """Totals of the last `days` UTC days, today included, and the `last` newest requests."""
        ...

    def budget(self) -> GovernorState:
        """The budget, the limits that it means now, and why."""
        ...

    def warnings(self) -> list[str]:
        """Return why the budget cannot be kept, or makes answers slow; costs next to nothing."""
        ...

    def set_budget(self, change: BudgetChange) -> None:
        """Change the budget from now on, until the daemon ends; what is UNSET stays."""
        ...

    def history(self, since_s: float) -> Past:
        """How it was over the last `since_s` seconds, as far back as is kept."""
        ...

    async def plan(self, ask: PlanAsk) -> PlanReport:
        """What each way to answer would take; raises RequestError, ModelNotFound, Unavailable."""
        ...

    def tries(self, ask: PlanAsk) -> AsyncGenerator[PlanReport | Tried]:
        """The plan, and then what came of each candidate that can be run. Raises as `plan`."""
        ...

    def calibrate(self, ask: CalibrateRequest) -> AsyncGenerator[Progress | Calibrated | Refused]:
        """Calibrate, and tell where that stands; Calibrated or Refused is the last word.

        Closing the generator ends it. Raises ModelNotFound or EngineError.
        """
        ...

    def calibration(self) -> Calibrated:
        """What was calibrated of the board and the models that are there now."""
        ...
