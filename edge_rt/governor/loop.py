"""The governor's loop: observe, decide, and send the limits to the engine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine, Generator, Iterable
from dataclasses import replace
from typing import Any

import msgspec

from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.config.schema import BudgetConfig
from edge_rt.core.limits import Limits, Observation
from edge_rt.core.reports.governor import BudgetChange, GovernorState
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.protocol import SetLimits
from edge_rt.engine.supervisor import Supervisor
from edge_rt.governor.admission import Admission
from edge_rt.governor.board_heat import Heat
from edge_rt.governor.budget import changed, late, warnings
from edge_rt.governor.history import BoardHistory
from edge_rt.governor.knobs.clock_control import ClockControl
from edge_rt.governor.knobs.journal import KnobOutcome
from edge_rt.governor.observation import CompanionWatch, Observer
from edge_rt.governor.policy.governor import Governor
from edge_rt.governor.report import governor_state
from edge_rt.speech.companion import Companion

log = logging.getLogger(__name__)

BUSY_S, IDLE_S = 0.2, 1.0  # between two looks
ALIKE = 0.005  # duties that differ by less are not told to the engine

Make = Callable[["BoardSnapshot | None"], Governor]
"""A governor for a board; None: one that was not looked at yet."""


class GovernorLoop:
    """Steps the governor five times a second while there is work, and once a second otherwise.

    Without work the engine is left alone; it gets the limits when work comes.
    """

    def __init__(
        self,
        make: Make,
        observer: Observer,
        heat: Heat,
        supervisor: Supervisor,
        *,
        history: BoardHistory,
        busy: Callable[[], bool],
        smaller: Callable[[], bool],
        clock: Callable[[], float],
        pause: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
        clocks: ClockControl,
        companion: Companion | None = None,
    ) -> None:
        """Prepare the loop.

        `busy` tells whether there are requests, and `smaller` whether they can be answered with
        less of a model than they ask for. `clock` is in seconds.

        `pause` lets seconds pass between two looks.
        """
        self._pause, self._clocks = pause, clocks
        self._companion = companion
        self._companion_watch = companion and CompanionWatch(companion)
        self._make, self.governor = make, make(None)
        self._snapshot: BoardSnapshot | None = None  # that the governor was made for
        self._anew = False  # another governor is needed
        self._observer, self._supervisor, self.heat = observer, supervisor, heat
        self.history, self._clock = history, clock
        self._busy, self._smaller = busy, smaller
        self._work = asyncio.Event()
        self._told: Limits | None = None  # to the engine that lives
        self.seen: Observation | None = None  # at the last look
        # Seconds in which work was held back, by cause.
        self.held_back_s: defaultdict[str, float] = defaultdict(float)
        self.admission = Admission(self.limits)
        self._warned: BudgetConfig | None = None  # the budget that the log warns of

    @property
    def limits(self) -> Limits:
        return self.governor.limits

    @contextlib.contextmanager
    def fixed(self, threads: int) -> Generator[None]:
        """Use `threads` threads while the block runs; everything else is governed as usual."""
        before = self.governor.fixed
        self._fix(threads)
        try:
            yield
        finally:
            self._fix(before)
            self._tell()

    def _fix(self, threads: int | None) -> None:
        self.governor.fixed = threads
        self._decide()

    async def admit(self, loads: bool) -> None:
        """Wait until a request may go to the engine; see Admission.enter."""
        self._tell()
        self._work.set()
        await self.admission.enter(loads)

    def change(self, change: BudgetChange) -> None:
        self.allow(changed(self.governor.budget, change))

    def allow(self, budget: BudgetConfig) -> None:
        self.governor.budget = budget
        fields = msgspec.structs.asdict(budget).items()
        said = [f"{name} {'none' if value is None else value}" for name, value in fields]
        log.info("the budget is now: %s", ", ".join(said))
        self._decide()
        self._work.set()

    def state(self, knobs: Iterable[KnobOutcome]) -> GovernorState:
        seen, governor = self.seen, self.governor
        return governor_state(
            governor.budget,
            governor.limits,
            governor.report,
            None if seen is None else seen.supply_j,
            None if seen is None else seen.period_left_s,
            knobs,
            self.held_back_s,
            self.warnings(),
            self.supply(),
        )

    def warnings(self) -> list[str]:
        """Return why the budget cannot be kept, or leaves nothing for answers."""
        budget, idle_w = self.governor.budget, self.governor.report.idle_w
        return [*warnings(budget, idle_w, self._observer.reading_s)]

    def supply(self) -> list[str]:
        """Return what is wrong with the supply or its sensor, and what follows, a sentence each."""
        report = self.governor.report
        found = (report.sag, late(self.governor.budget, report.delay_s))
        return [told for told in found if told is not None]

    def greet(self, client: EngineClient) -> None:
        """Send the limits to a new engine before it gets any request."""
        self._told = self.limits
        _send(client, self.limits)

    async def run(self) -> None:
        failing = False
        due_s = self._clock()
        try:
            while True:
                try:
                    await self.look()
                    failing = False
                except Exception:  # whatever it is, a fresh governor may do better
                    if not failing:
                        log.exception("the governor failed and starts again")
                    failing = self._anew = True
                due_s = max(due_s + BUSY_S, self._clock())
                if not self._at_work():
                    await self._doze()
                if self._clock() < due_s:
                    await self._pause(due_s - self._clock())
                due_s = max(due_s, self._clock())
        finally:
            self._observer.close()

    async def look(self) -> None:
        """Observe once, and decide."""
        snapshot = self._observer.snapshot
        found = snapshot is not None and (
            self._snapshot is None or snapshot.chosen != self._snapshot.chosen
        )
        if found or self._anew:
            self._renew(snapshot)
        governor = self.governor
        governor.smaller, governor.clocks = self._smaller(), self._clocks.steps
        threads = (self._told or self.limits).threads
        seen = await self._observer.look(
            threads, governor.budget.energy_period, self._at_work(), self.admission.waiting
        )
        if self._companion_watch is not None:
            seen = self._companion_watch.added(seen)
        seen = replace(seen, cpu_hz=self._clocks.cpu_hz, gpu_hz=self._clocks.gpu_hz)
        self.seen = seen
        limits = governor.step(seen)
        self._obey(limits)
        self._count(seen, limits)
        frozen = governor.report.frozen_w is not None
        self.heat.leakage.take(replace(seen, power_w=None) if frozen else seen)
        self.history.take(seen, limits, governor.report, governor.budget)

    def _decide(self) -> None:
        """Put the changed budget or threads into force at once."""
        if self.seen is not None:
            period = self.governor.budget.energy_period
            self.seen = self._observer.again(self.seen, period)
            self._obey(self.governor.step(self.seen))

    def _obey(self, limits: Limits) -> None:
        self._warn()
        self.admission.update(limits)
        self._clocks.obey(limits, self.governor.report.ineffective)
        if self._at_work():
            self._tell()

    def _warn(self) -> None:
        """Log once for each budget why it cannot be kept, or leaves nothing for answers."""
        budget = self.governor.budget
        if budget == self._warned:
            return
        for warning in self.warnings():
            log.warning("%s", warning)
            self._warned = budget

    async def _doze(self) -> None:
        """Wait until there is work, or until the next look is due."""
        self._work.clear()
        rest = asyncio.ensure_future(self._pause(IDLE_S))
        work = asyncio.ensure_future(self._work.wait())
        try:
            await asyncio.wait((rest, work), return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            if not rest.cancel():
                rest.result()

    def _at_work(self) -> bool:
        seen = self.seen
        return self._busy() or (seen is not None and bool(seen.running or seen.waiting))

    def _renew(self, snapshot: BoardSnapshot | None) -> None:
        """Take another governor; what the one before allowed holds until it has decided."""
        before, governor = self.governor, self._make(snapshot)
        governor.budget, governor.limits = before.budget, before.limits
        governor.fixed = before.fixed
        self.governor, self._snapshot, self._anew = governor, snapshot, False

    def _tell(self) -> None:
        client, limits = self._supervisor.current, self.limits
        if self._companion is not None:
            limits = self._shared(self._companion, client)
            self._companion.limit(limits.threads, limits.least_duty)
        if client is not None and (self._told is None or _differ(self._told, limits)):
            self._told = limits
            _send(client, limits)

    def _shared(self, companion: Companion, client: EngineClient | None) -> Limits:
        """Return the limits of engine and companion, half of the duty where both are at work."""
        limits = self.limits
        both = companion.running and client is not None and client.working
        if not both or limits.least_duty >= 1.0:
            return limits
        prompt_duty = None if limits.prompt_duty is None else limits.prompt_duty / 2.0
        return replace(limits, duty=limits.duty / 2.0, prompt_duty=prompt_duty)

    def _count(self, seen: Observation, limits: Limits) -> None:
        held = limits.least_duty < 1.0 or limits.admission != "open" or limits.smaller
        if held and limits.bound_by is not None and (seen.running or seen.waiting):
            self.held_back_s[limits.bound_by] += seen.dt_s


def _differ(told: Limits, now: Limits) -> bool:
    """Return whether the engine has to hear of `now`.

    The ends of the duty's range are always told.
    """
    if (told.threads, told.prefill_chunk) != (now.threads, now.prefill_chunk):
        return True
    return any(
        abs(before - duty) > (ALIKE if 0.0 < duty < 1.0 else 0.0)
        for before, duty in zip(_duties(told), _duties(now), strict=True)
    )


def _duties(limits: Limits) -> tuple[float, float]:
    """Return the duties of passes that decode, and of those that read prompts."""
    return limits.duty, limits.duty if limits.prompt_duty is None else limits.prompt_duty


def _send(client: EngineClient, limits: Limits) -> None:
    with contextlib.suppress(EngineLost):  # the next one is greeted
        client.send(
            SetLimits(limits.threads, limits.duty, limits.prefill_chunk, limits.prompt_duty)
        )
