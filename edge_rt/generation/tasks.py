"""Requests that end in one answer: embeddings and scores."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing

from edge_rt.config.schema import Config
from edge_rt.core.events import Embedded, Started
from edge_rt.core.occupancy import Occupancy
from edge_rt.core.requests import Cost, EmbedCall
from edge_rt.energy.meter import EnergyMeter
from edge_rt.energy.usage import RequestUsage
from edge_rt.engine.client import EngineLost
from edge_rt.engine.protocol import Embed
from edge_rt.generation.recovery import AnswerProgress
from edge_rt.generation.request_budget import RequestBudget
from edge_rt.generation.service import GenerationService
from edge_rt.models.loading import resident_name
from edge_rt.models.record import ModelRecord
from edge_rt.routing.services import RoutingServices

Make = Callable[[int], Embed]


class TaskService:
    """Runs embedding models within the limits of board and call, and books the costs.

    When an engine is lost, the next one gets the call again.
    """

    def __init__(
        self,
        config: Config,
        answering: GenerationService,
        occupancy: Occupancy,
        energy_meter: EnergyMeter,
        routing: RoutingServices,
        clock: Callable[[], float],
    ) -> None:
        """`clock` is in seconds, that of the calls' deadlines."""
        self._config, self._answering, self._occupancy = config, answering, occupancy
        self._energy_meter, self._routing = energy_meter, routing
        self._clock = clock

    async def embed(self, call: EmbedCall) -> tuple[Embedded, Cost]:
        """Return the vectors or scores, and what they cost; raises as `generate` does."""
        kind = "embedding" if call.query is None else "rerank"
        entry = self._routing.models.able(call.model, kind)
        model = resident_name(entry)

        def make(id: int) -> Embed:
            return Embed(id, model, call.inputs, call.truncate, call.dimensions, call.query)

        return await self._perform(entry, call, make)

    async def _perform(
        self, entry: ModelRecord, call: EmbedCall, make: Make
    ) -> tuple[Embedded, Cost]:
        usage = self._energy_meter.open(entry.id, app=call.app)
        await self._energy_meter.watchable(usage, call.energy_j, call.deadline_s)
        progress = AnswerProgress(self._clock)
        budget = RequestBudget(call, self._clock, usage.spending)
        await budget.left(self._energy_meter.apps.admit(usage.spending), usage)
        with (
            self._occupancy.request(self._config.requests.queue),
            self._energy_meter.leaving(usage),
            self._routing.lessons.attend(0),  # whose work beside it teaches nothing
        ):
            while True:
                try:
                    answer = await self._attempt(entry, make, usage, budget, progress)
                    return answer, await self._energy_meter.settle(usage)
                except EngineLost as lost:
                    await self._answering.lost(usage, progress, lost)

    async def _attempt(
        self,
        entry: ModelRecord,
        make: Make,
        usage: RequestUsage,
        budget: RequestBudget,
        progress: AnswerProgress,
    ) -> Embedded:
        """Return what one engine answers; raises what the budget says when it is empty before."""
        async with AsyncExitStack() as held:
            engine = held.enter_async_context(self._answering.engine(usage, entry))
            client = await budget.left(engine, usage)
            if client is None:
                raise budget.failure()
            asked = client.perform(self._answering.handing(usage, client, make))
            events = await held.enter_async_context(aclosing(asked))
            while (event := await budget.left(anext(events, None), usage)) is not None:
                if not isinstance(event, Started):
                    return event
                if progress.news(event):
                    usage.take(event)
        raise budget.failure()
