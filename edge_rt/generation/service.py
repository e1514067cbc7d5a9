"""One call after the other, each through as many engines as it takes."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TypeVar

import msgspec

from edge_rt.config.schema import Config
from edge_rt.core.decoding import Mode
from edge_rt.core.errors import EngineBroken
from edge_rt.core.events import Started
from edge_rt.core.occupancy import Occupancy
from edge_rt.core.requests import Call, Cost, Event, Plan
from edge_rt.core.routing import LoadConfig, Prediction
from edge_rt.energy.meter import EnergyMeter
from edge_rt.energy.prediction.online_updates import OnlineUpdate
from edge_rt.energy.usage import RequestUsage
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.protocol import Generate
from edge_rt.generation.fitting import fit_answer, most_tokens
from edge_rt.generation.recovery import AnswerProgress, Recovery
from edge_rt.generation.request_budget import RequestBudget
from edge_rt.generation.thinking import think_first
from edge_rt.governor.loop import GovernorLoop
from edge_rt.models.loading import context_of, resident_name
from edge_rt.models.pair import SWITCH
from edge_rt.models.record import ModelRecord
from edge_rt.routing.services import RoutingServices

log = logging.getLogger(__name__)

AskedT = TypeVar("AskedT")
_MARGIN = 1.1  # times what is predicted has to fit, for about half of all answers take more


class GenerationService:
    """Answers calls as far as governor, memory and the calls themselves allow."""

    def __init__(
        self,
        config: Config,
        occupancy: Occupancy,
        energy_meter: EnergyMeter,
        governor_loop: GovernorLoop,
        routing: RoutingServices,
        recovery: Recovery,
        clock: Callable[[], float],
    ) -> None:
        """`clock` is in seconds, that of the calls' deadlines."""
        self._config, self._occupancy = config, occupancy
        self._energy_meter, self._governor_loop = energy_meter, governor_loop
        self._routing, self._recovery, self._clock = routing, recovery, clock

    def generate(self, call: Call) -> AsyncGenerator[Event, None]:
        """Run `call`, loading its model when needed.

        A Cost comes once, just before the Finished that ends the call. Closing the generator early
        cancels the request. Raises ModelNotFound, RequestError (its fault, such as limits that
        cannot be kept), Unavailable (later, perhaps) or EngineError.
        """
        if call.thinking is None:
            return self._fitted(call)
        return think_first(call, self._fitted)

    def tokens_within(
        self, plan: Plan, energy_j: float | None, seconds: float | None
    ) -> int | None:
        """Return the tokens that an answer by `plan` may have; None: that cannot be predicted."""
        entry = self._routing.models.writer(plan.model)
        context = context_of(entry, self._config.engine)
        tokens = self._routing.lengths.of(entry, plan.prompt, context, context)

        if seconds is not None:
            seconds -= self._routing.variants.waits_s(entry)

        def predicted(completion: int) -> Prediction | None:
            sizes = tokens.prompt, tokens.cached, plan.threads, completion
            return self._routing.least(entry, *sizes)

        def fits(completion: int) -> bool:
            found = predicted(completion)
            if found is None:
                return False
            late = seconds is not None and found.seconds * _MARGIN > seconds
            dear = energy_j is not None and (found.energy_j or 0.0) * _MARGIN > energy_j
            return not (late or dear)

        one = predicted(1)
        if one is None or (energy_j is not None and one.energy_j is None):
            return None
        return most_tokens(fits, tokens.completion)

    def _fitted(self, call: Call) -> AsyncGenerator[Event, None]:
        return fit_answer(call, self._answer)

    async def _answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """Run `call`; when the engine is lost the answer goes on in the next one."""
        entry, plan = self._routing.models.writer(call.plan.model), call.plan
        mode = plan.mode or Mode()
        partner = None if mode.partner is None else self._routing.models.writer(mode.partner)
        usage = self._energy_meter.open(entry.id, call.id or None, call.app)
        await self._energy_meter.watchable(usage, call.energy_j, call.deadline_s)
        progress = AnswerProgress(self._clock)
        budget = RequestBudget(call, self._clock, usage.spending)
        await budget.left(self._energy_meter.apps.admit(usage.spending), usage)
        lighter = partner if partner is not None and mode.name == SWITCH else entry
        if plan.mode is not None:
            usage.mode, usage.partner = plan.mode.label, partner and partner.id
        make = _maker(entry, call, progress, partner)
        with (
            self._occupancy.request(self._config.requests.queue),
            self._energy_meter.leaving(usage),
            self._routing.lessons.attend(call.n, plan.threads) as lesson,
            self._routing.lengths.follow(entry, call, partner) as heard,
        ):
            while True:
                try:
                    async with AsyncExitStack() as held:
                        engine = self.engine(usage, entry, partner, plan.load)
                        client = await budget.left(held.enter_async_context(engine), usage)
                        if client is None:
                            break
                        asked = client.generate(self.handing(usage, client, make))
                        events = await held.enter_async_context(aclosing(asked))
                        while (event := await budget.left(anext(events, None), usage)) is not None:
                            if not progress.news(event):
                                continue
                            if isinstance(event, Started) and budget.limited:
                                tokens = event.prompt_tokens, event.cached_tokens
                                budget.judge(self._routing.least(lighter, *tokens, plan.threads))
                            usage.take(event)
                            self._routing.lengths.hear(heard, event)
                            self._routing.lessons.look(lesson)
                            if len(progress.done) == call.n:
                                cost = await self._energy_meter.settle(usage)
                                self._learn(lesson, entry, usage, cost, mode)
                                yield cost
                            yield event
                    break
                except EngineLost as lost:
                    await self.lost(usage, progress, lost)
            if budget.empty is not None and len(progress.done) < call.n:
                *firsts, last = budget.endings(progress, call.n)
                for event in firsts:
                    yield event
                cost = await self._energy_meter.stop(usage)
                yield msgspec.structs.replace(cost, why=budget.empty)
                yield last

    def _learn(
        self,
        lesson: OnlineUpdate,
        entry: ModelRecord,
        usage: RequestUsage,
        cost: Cost,
        mode: Mode,
    ) -> None:
        """Learn from an answer; what goes wrong is logged, for the answer is complete."""
        try:
            self._routing.lessons.end(lesson, entry, usage, cost, mode)
        except Exception:
            log.exception("an answer of %s taught nothing", entry.id)

    @asynccontextmanager
    async def engine(
        self,
        usage: RequestUsage,
        entry: ModelRecord,
        partner: ModelRecord | None = None,
        load: LoadConfig | None = None,
    ) -> AsyncGenerator[EngineClient]:
        """Lend an engine with these models in memory, once the governor admits the request.

        `partner` is held beside `entry`, which is in that form as far as that can be. Raises
        EngineLost for an engine whose output is of no use, too.
        """
        if usage.account is None:  # what an engine has begun goes on in the next one
            await self._governor_loop.admit(self._routing.manager.loads(entry, partner, load))
        async with self._routing.manager.resident(entry, partner, load) as resident:
            client = resident.client
            try:
                yield client
            except EngineBroken as broken:
                raise self._recovery.broken(entry, client, usage.request, broken) from broken

    def handing(
        self, usage: RequestUsage, client: EngineClient, make: Callable[[int], AskedT]
    ) -> Callable[[int], AskedT]:
        """Return `make`, which makes the request of an id, and books what that takes on `usage`."""

        def handed(id: int) -> AskedT:
            self._energy_meter.handed(usage, client, id)
            return make(id)

        return handed

    async def lost(self, usage: RequestUsage, progress: AnswerProgress, lost: EngineLost) -> None:
        """Note that an engine was lost with a request; raises when no other one may have it."""
        usage.redone = True
        id, usage.request = usage.request, None
        await self._recovery.lost(id, progress, lost)


def _maker(
    entry: ModelRecord, call: Call, progress: AnswerProgress, partner: ModelRecord | None
) -> Callable[[int], Generate]:
    """Return what makes the engine's request, each time from where it has come to."""
    mode = call.plan.mode
    if mode is not None and partner is not None:
        mode = msgspec.structs.replace(mode, partner=resident_name(partner))
    sampling = call.sampling
    if sampling.seed is None:  # fixed here, so that a resumed answer draws the same numbers
        sampling = msgspec.structs.replace(sampling, seed=secrets.randbits(63))

    def make(id: int) -> Generate:
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
            mode=mode,
            threads=call.plan.threads,
            made=progress.made,
            client=call.client,
            withheld=progress.withheld,
            seen={index: seen.tolist() for index, seen in progress.seen.items()},
            group=call.id,
            constraint=call.constraint,
            pin=call.pin,
            check=call.check,
            suffix=call.suffix,
            user=call.user,
            images=[*call.images],
        )

    return make
