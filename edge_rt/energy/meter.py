"""What each request costs, from the engine's work reports and the supply's meter."""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Literal

from edge_rt.board.monitor import BoardMonitor, Metered
from edge_rt.board_model.idle import IdlePower
from edge_rt.core.errors import RequestError, Unavailable
from edge_rt.core.reports.board import AppBudgetState, AppTotal, LedgerReport
from edge_rt.core.requests import OWN_APP, Cost, Repeat
from edge_rt.energy.account import Account, Bill
from edge_rt.energy.app_budgets import AppBudgets
from edge_rt.energy.attribution import Attribution, Totals
from edge_rt.energy.ledger import Book
from edge_rt.energy.ledger_records import Status, UsageRecord, ledger_report, utc_day
from edge_rt.energy.usage import Milestone, RequestUsage, TokenCounts, booking
from edge_rt.engine.client import EngineClient
from edge_rt.engine.protocol import EngineWork

READ_S = 0.3  # for a reading of the supply, over its own period
REST_S = 2.0  # of idle time tell what the board draws idle
IDLE_S = 10.0  # for a first idle time, where a request has a limit of joules
STOP_S = 0.5  # for the engine's word on one whose client waits for its end
TOLD_S = 2.0  # for the engine's word on a request that was broken off
COMPANION = "companion"  # the process for speech, beside the engine


class EnergyMeter:
    """Keeps an account for each request that is with the engine, and books it at its end."""

    def __init__(
        self,
        monitor: BoardMonitor,
        book: Book,
        loading: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        apps: AppBudgets | None = None,
    ) -> None:
        """`clock` is the engine's and the sampler's, in seconds; `wall` gives Unix seconds.

        `loading` tells whether the engine is at work for nobody.
        """
        self.tokens = TokenCounts()
        self.app_j = defaultdict[str, float](float)  # known joules since the start
        self.on_booked: Callable[[UsageRecord], None] = lambda record: None
        self.apps = apps or AppBudgets({}, lambda: None, book.app_j, wall)
        self._monitor = monitor
        self._book = book
        self._loading = loading
        self._meter: Metered | None = None  # as heard last
        self._idle = IdlePower()
        self._attribution = Attribution(self._idle)
        self._clock = clock
        self._wall = wall
        self._accounts: dict[tuple[EngineClient, int], Account] = {}
        self._told, self._read = Milestone(), Milestone()
        self._posted = Totals(0.0, 0.0, 0.0, 0.0)
        self._leaving: set[asyncio.Task[object]] = set()

    @property
    def idle_w(self) -> float | None:
        """What the supply draws while the engine has nothing to do; None while unknown."""
        return self._idle.idle_w

    @property
    def idle_j(self) -> float:
        """Joules of the idle draw since the start, as far as they are known."""
        return self._attribution.totals.idle_j

    # --- what the meters and the engine say

    def hear(self, meter: Metered) -> None:
        """Take a reading of the supply's meter."""
        before = self._meter
        if before and (before.quality, before.rails) != (meter.quality, meter.rails):
            self.post()  # the old supply tells nothing about the new one
            self._attribution.renew(meter.time_s)
        self._meter = meter
        self._attribution.loading = self._loading()
        self._attribution.resolution_s = meter.resolution_s
        self._attribution.reading(meter.time_s, meter.energy)
        self._read.advance(meter.time_s)
        self._note_tails()

    def listen(self, client: EngineClient) -> None:
        """Take the work reports of `client`, and of no other, from now on."""
        self._accounts.clear()
        client.on_work = lambda work: self._work(client, work)

    def lost(self) -> None:
        """Take the loss of the engine."""
        self._attribution.lost(self._clock())

    # --- one request

    def open(self, model: str, answer_id: str | None = None, app: str = OWN_APP) -> RequestUsage:
        spending = self.apps.of(app)
        return RequestUsage(model, self.tokens, answer_id=answer_id, app=app, spending=spending)

    def handed(self, usage: RequestUsage, client: EngineClient, request: int) -> None:
        """`client` has the request now, under the number `request`."""
        if usage.account is None:
            usage.account = self._attribution.open(self._clock())
        usage.begin(usage.account)
        usage.request = request
        self._accounts[client, request] = usage.account

    def companion(self, usage: RequestUsage) -> Callable[[float, float, bool], None]:
        """Open the account of a request of the companion; return what takes each span of its time.

        A span has a begin, an end, and whether the companion was let work in it.
        """
        account = self._attribution.open(self._clock(), COMPANION)
        usage.begin(account)

        def worked(begin_s: float, end_s: float, busy: bool) -> None:
            shares = [(account, 0.0, end_s - begin_s)] if busy else []
            self._attribution.told(begin_s, end_s, shares, COMPANION)

        return worked

    async def settle(self, usage: RequestUsage, status: Status = "done") -> Cost:
        """Close and book the request, of which the engine has told all; once."""
        account, end_s = usage.account, self._clock()
        if account is None:
            account = usage.account = self._attribution.open(end_s)
        supply = self._monitor.supply
        if supply is not None:
            self._monitor.hurry()
            # A reading is told once its read is over, and is of the middle of that read.
            await self._read.reach(end_s, 1.5 * supply.resolution_s + READ_S)
        bill = self._attribution.close(account, end_s)
        cost = self._cost(bill, end_s - account.begin_s)
        self._forget(account)
        if not usage.booked:
            usage.booked = True
            self._note(self._entry(usage, bill, cost, status))
        return cost

    async def stop(self, usage: RequestUsage) -> Cost:
        """Settle a request that the front itself has broken off, once the engine has told all."""
        await self._told.reach(self._clock(), STOP_S)
        return await self.settle(usage)

    async def watchable(
        self, usage: RequestUsage, energy_j: float | None, deadline_s: float | None
    ) -> None:
        """Wait until a request's joules can be watched, if need be, at most until its deadline.

        They must be where it, or its application, has a limit of them. Raises RequestError or
        Unavailable.
        """
        if energy_j is None and usage.spending is None:
            return
        what = "`edge.energy_j`" if energy_j is not None else "The application's budget"
        if self._monitor.supply is None:
            message = f"{what} cannot be kept: nothing tells this board's power."
            if energy_j is None:
                raise Unavailable(message, retry_after_s=None, code="unsupported")
            raise RequestError(message, param="edge.energy_j", code="unsupported")
        until_s = min(self._clock() + IDLE_S, math.inf if deadline_s is None else deadline_s)
        while self.idle_w is None:
            left_s, next_s = until_s - self._clock(), math.nextafter(self._read.at_s, math.inf)
            if left_s > 0 and await self._read.reach(next_s, left_s):
                continue
            raise Unavailable(
                f"{what} cannot be kept yet: what the board draws idle is not known.",
                retry_after_s=REST_S,
                code="no_baseline",
            )

    def leave(self, usage: RequestUsage, status: Status) -> None:
        """Book a request that was broken off, once the engine has told of it."""
        if usage.account is not None and not usage.booked:
            task = asyncio.create_task(self._settle_later(usage, status))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    @contextmanager
    def leaving(self, usage: RequestUsage) -> Generator[None]:
        """Book a request that does not come to its end while the block runs."""
        try:
            yield
        except (GeneratorExit, asyncio.CancelledError):
            self.leave(usage, "cancelled")
            raise
        except Exception:
            self.leave(usage, "failed")
            raise

    def repeated(self, repeat: Repeat) -> None:
        """Book an answer that was given again, without any engine."""
        self._note(booking(repeat, self._wall()))

    # --- the ledger

    def post(self) -> None:
        """Book the supply's joules since the last call."""
        now, before = self._attribution.totals, self._posted
        self._posted = now
        self._book.measured(
            energy_j=now.energy_j - before.energy_j,
            attributed_j=now.attributed_j - before.attributed_j,
            covered_s=now.covered_s - before.covered_s,
            missing_s=now.missing_s - before.missing_s,
            quality=self._quality,
            idle_j=now.idle_j - before.idle_j,
        )

    async def finish(self) -> None:
        """Book the requests that are still on their way out."""
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def ledger(self, days: int, last: int) -> LedgerReport:
        """Return the ledger up to this moment."""
        self.post()
        budgets = self.apps.report()
        return await asyncio.to_thread(self._report, days, last, budgets)

    def _report(self, days: int, last: int, budgets: list[AppBudgetState]) -> LedgerReport:
        known, models = self._book.totals(days)
        since = min((total.day for total in (*known, *models)), default=None)
        apps = [] if since is None else self._book.apps(since)
        recent = self._book.recent(last)
        return ledger_report(self._book.stored, known, models, recent, apps, budgets)

    @property
    def _quality(self) -> Literal["measured", "modelled"]:
        """The quality of the joules so far, whatever supply the board has now."""
        return self._meter.quality if self._meter else "modelled"

    def _note(self, record: UsageRecord) -> None:
        self._book.book(record)
        self.app_j[record.app or OWN_APP] += max(0.0, record.energy_j or 0.0)
        self.on_booked(record)

    def _note_tails(self) -> None:
        """Book what the board drew above idle just after the work of each application."""
        tails_j, self._attribution.tails_j = self._attribution.tails_j, {}
        for app, energy_j in tails_j.items():
            self._book.tail(AppTotal(utc_day(self._wall()), app, energy_j=energy_j))
            self.app_j[app] += energy_j
            if (spending := self.apps.of(app)) is not None:
                spending.add(energy_j)

    def _work(self, client: EngineClient, work: EngineWork) -> None:
        shares = [
            (self._accounts.get((client, share.id)), share.prefill_s, share.decode_s)
            for share in work.shares
        ]
        self._attribution.told(work.begin_s, work.end_s, shares)
        self._told.advance(work.end_s)

    async def _settle_later(self, usage: RequestUsage, status: Status) -> None:
        await self._told.reach(self._clock(), TOLD_S)
        account = usage.account
        if account is not None and not account.busy_s:  # refused: nothing that anybody paid for
            self._attribution.close(account, self._clock())
            self._forget(account)
            return
        await self.settle(usage, status)

    def _forget(self, account: Account) -> None:
        self._accounts = {key: a for key, a in self._accounts.items() if a is not account}

    def _cost(self, bill: Bill, seconds: float) -> Cost:
        known = bill.resolved and self._monitor.supply is not None
        quality = "modelled" if bill.modelled else self._quality
        return Cost(
            energy_j=bill.energy_j if known else None,
            quality=quality if known else "unresolved",
            power_w=bill.power_w,
            temp_c=self._monitor.temp_c,
            seconds=seconds,
            power_quality=None if bill.power_w is None else self._quality,
            simulated=self._monitor.simulated,
        )

    def _entry(self, usage: RequestUsage, bill: Bill, cost: Cost, status: Status) -> UsageRecord:
        return UsageRecord(
            ended=self._wall(),
            model=usage.model,
            status=status,
            prompt_tokens=usage.own.prompt,
            cached_tokens=usage.own.cached,
            completion_tokens=usage.own.completion,
            seconds=cost.seconds,
            busy_s=bill.busy_s,
            energy_j=cost.energy_j,
            quality=cost.quality,
            power_w=cost.power_w,
            temp_c=cost.temp_c,
            mode=usage.mode,
            partner=usage.partner,
            answer_id=usage.answer_id,
            app=usage.app,
            **({} if usage.made is None else usage.made.named()),
        )
