"""What the API asks for, answered by store, templates and engine."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager
from typing import TYPE_CHECKING

import msgspec

from edge_rt.api.board import BoardReport, LedgerReport
from edge_rt.api.governing import BudgetChange, GovernorState, Past
from edge_rt.api.service import Call, Event, ModelCard
from edge_rt.config.schema import Config
from edge_rt.daemon.governing import Governing
from edge_rt.daemon.health import Health
from edge_rt.daemon.knobs import BoardKnobs
from edge_rt.daemon.metering import Metering
from edge_rt.daemon.progress import Progress
from edge_rt.daemon.receipt import Receipt
from edge_rt.daemon.senses import Senses
from edge_rt.daemon.state import State
from edge_rt.daemon.wanted import resident_name, wanted
from edge_rt.decoding.params import Sampling
from edge_rt.engine.client import EngineLost
from edge_rt.engine.client import Event as EngineEvent
from edge_rt.engine.protocol import Generate
from edge_rt.engine.residency import Residency, Resident, Wanted
from edge_rt.errors import EngineError, ModelNotFound, RequestError
from edge_rt.models.store import Entry, Store

if TYPE_CHECKING:
    from edge_rt.models.templates import ChatTemplate

FEW_MESSAGES = 64  # so many are rendered in no time; more could hold up the event loop


class DaemonService:
    """The API's Service; see there for the methods' contract."""

    def __init__(
        self,
        config: Config,
        store: Store,
        residency: Residency,
        state: State,
        health: Health,
        senses: Senses,
        metering: Metering,
        governing: Governing,
        knobs: BoardKnobs,
    ) -> None:
        self._config = config
        self._store = store
        self._residency = residency
        self._state = state
        self._health = health
        self._senses = senses
        self._metering = metering
        self._governing = governing
        self._knobs = knobs
        self._templates: dict[str, ChatTemplate] = {}  # by the sha256 of the model's file

    def cards(self) -> list[ModelCard]:
        """See Service."""
        loaded = {r.wanted.model for r in self._residency.residents()}
        return [self._card(entry, loaded) for entry in self._store.entries()]

    def card(self, model: str) -> ModelCard:
        """See Service."""
        loaded = {r.wanted.model for r in self._residency.residents()}
        return self._card(self._entry(model), loaded)

    async def render(
        self,
        model: str,
        messages: list[dict[str, object]],
        *,
        tools: list[dict[str, object]] | None = None,
        variables: dict[str, object] | None = None,
    ) -> str:
        """See Service."""
        entry = self._entry(model)
        if tools and "tools" not in (entry.summary.chat_template or ""):
            raise RequestError(
                f"{entry.id} knows no tools: its chat template would leave them out",
                param="tools",
                code="unsupported",
            )
        template = self._template(entry)
        if len(messages) <= FEW_MESSAGES:
            return template.render(messages, tools=tools, variables=variables)
        return await asyncio.to_thread(template.render, messages, tools=tools, variables=variables)

    async def generate(self, call: Call) -> AsyncGenerator[Event, None]:
        """See Service. When the engine is lost the answer goes on in the next one."""
        entry = self._entry(call.model)
        progress = Progress()
        receipt = self._metering.receipt(entry.id)
        sampling = call.sampling
        if sampling.seed is None:  # fixed here, so that a resumed answer draws the same numbers
            sampling = msgspec.structs.replace(sampling, seed=secrets.randbits(63))

        def request(id: int) -> Generate:
            return Generate(
                id,
                resident_name(entry),
                call.prompt,
                call.special,
                sampling,
                call.max_tokens,
                call.n,
                list(call.stop),
                call.ignore_eos,
                progress.tokens,
                progress.done,
            )

        with self._state.request(self._config.requests.queue), self._leaving(receipt):
            while True:
                try:
                    async with aclosing(self._attempt(entry, request, receipt)) as events:
                        async for event in events:
                            if not progress.news(event):
                                continue
                            receipt.take(event)
                            if len(progress.done) == call.n:
                                yield await self._metering.settle(receipt)
                            yield event
                    return
                except EngineLost as lost:
                    self._metering.lost(receipt)
                    if progress.lost():
                        raise EngineError(
                            "the engine was lost again and again while it had this request"
                        ) from lost

    async def health(self) -> dict[str, object]:
        """See Service."""
        self._store.entries()  # a store that cannot be read serves nothing
        return await self._health.prove()

    async def status(self) -> dict[str, object]:
        """See Service."""
        governor, queued = self.budget(), self._governing.admission.waiting
        heat = self._governing.heat.state()
        return await self._state.report(self.cards(), self.board(), governor, heat, queued)

    def board(self) -> BoardReport:
        """See Service."""
        return self._senses.report(self._metering.idle_w)

    async def ledger(self, days: int, last: int) -> LedgerReport:
        """See Service."""
        return await self._metering.ledger(days, last)

    def budget(self) -> GovernorState:
        """See Service."""
        return self._governing.state(self._knobs.report())

    def set_budget(self, change: BudgetChange) -> None:
        """See Service."""
        self._governing.change(change)

    def history(self, since_s: float) -> Past:
        """See Service."""
        return self._governing.history.past(since_s)

    async def preload(self, model: str) -> None:
        """Load `model` ahead of the first request; raises as `generate` does."""
        entry = self._entry(model)
        await self._governing.admit(self._loads(entry))
        async with self._resident(entry):
            pass

    async def _attempt(
        self, entry: Entry, request: Callable[[int], Generate], receipt: Receipt
    ) -> AsyncGenerator[EngineEvent, None]:
        if receipt.account is None:  # what an engine has begun goes on in the next one
            await self._governing.admit(self._loads(entry))
        async with self._resident(entry) as resident:

            def handed(id: int) -> Generate:
                self._metering.handed(receipt, resident.client, id)
                return request(id)

            async with aclosing(resident.client.generate(handed)) as events:
                async for event in events:
                    yield event

    @contextmanager
    def _leaving(self, receipt: Receipt) -> Generator[None]:
        """Book a request that does not come to its end while the block runs."""
        try:
            yield
        except (GeneratorExit, asyncio.CancelledError):
            self._metering.leave(receipt, "cancelled")
            raise
        except Exception:
            self._metering.leave(receipt, "failed")
            raise

    def _loads(self, entry: Entry) -> bool:
        """Whether a model would have to be loaded beside others for `entry`.

        The only one does not count: a board that stays warm by itself would never serve.
        """
        loaded = {resident.wanted.model for resident in self._residency.residents()}
        return bool(loaded) and resident_name(entry) not in loaded

    def _resident(self, entry: Entry) -> AbstractAsyncContextManager[Resident]:
        """`entry` in the engine's memory, for as long as it is used."""
        return self._residency.use(resident_name(entry), lambda: self._wanted(entry))

    async def _wanted(self, entry: Entry) -> Wanted:
        path = await asyncio.to_thread(self._store.check, entry.id)
        return wanted(entry, path, self._config.engine)

    def _entry(self, model: str) -> Entry:
        if model != "default":
            return self._store.get(model)
        name = self._config.models.default
        entry = self._store.get(name) if name is not None else self._store.default(None)
        if entry is None:
            raise ModelNotFound(
                "the store holds no model yet: edge-rt models pull smollm2-135m-instruct"
            )
        return entry

    def _card(self, entry: Entry, loaded: set[str]) -> ModelCard:
        return ModelCard(
            id=entry.id,
            created=entry.created,
            owned_by=entry.owner,
            context=min(self._config.engine.context, entry.summary.context_train),
            loaded=resident_name(entry) in loaded,
            size_bytes=entry.size,
            sha256=entry.sha256,
            backend=entry.backend,
            sampling=Sampling(**entry.sampling.given()),
            has_template=entry.summary.chat_template is not None,
        )

    def _template(self, entry: Entry) -> ChatTemplate:
        from edge_rt.models.templates import ChatTemplate  # jinja2, only where it is needed

        template = self._templates.get(entry.sha256)
        if template is None:
            summary = entry.summary
            template = self._templates[entry.sha256] = ChatTemplate(
                summary.chat_template, summary.bos_token, summary.eos_token
            )
        return template
