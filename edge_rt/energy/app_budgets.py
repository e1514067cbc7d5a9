"""Budgets of applications: the joules that each may add to the idle draw in a clock hour."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping

from edge_rt.config.applications import OTHER_APPS, AppBudget
from edge_rt.core.errors import Unavailable
from edge_rt.core.reports.board import AppBudgetState
from edge_rt.core.requests import OWN_APP
from edge_rt.energy.account import Account
from edge_rt.energy.ledger_records import HOUR_S

FULL = 0.99  # of a budget: what is left is too little to begin with
LOOK_S = 1.0  # between two looks of a request that waits for the next hour


class Spending:
    """The joules that count against one budget in the present hour.

    They are those of the requests that have ended, and of each that runs what it has taken since
    the hour began. A request whose joules are unknown at its end counts with what was known before.
    """

    def __init__(
        self,
        name: str,
        budget: AppBudget,
        above_idle_w: Callable[[], float | None],
        wall: Callable[[], float],
    ) -> None:
        """`above_idle_w` tells what the cap on power leaves above the idle draw; None: no cap.

        `wall` gives Unix seconds.
        """
        self.name, self.budget = name, budget
        self.waiting = 0  # requests, for the next hour
        self._above_idle_w, self._wall = above_idle_w, wall
        self._ended_j = 0.0
        self._running: dict[Account, tuple[float, float]] = {}  # joules at the begin, and last seen
        self._hour: int = _hour(wall)

    @property
    def limit_j(self) -> float:
        """The most joules of an hour."""
        most_j, share = self.budget.energy_j or math.inf, self.budget.power_share
        above_w = None if share is None else self._above_idle_w()
        if share is None or above_w is None:
            return most_j
        return min(most_j, share * max(0.0, above_w) * HOUR_S)

    @property
    def left_s(self) -> float:
        """Seconds until the next hour."""
        return HOUR_S - self._wall() % HOUR_S

    def begin(self, account: Account) -> None:
        """Count what `account` takes from now on."""
        self._running.setdefault(account, (account.energy_j, account.energy_j))

    def add(self, energy_j: float) -> None:
        """Count joules of requests that ended in this hour."""
        self._ended_j += energy_j

    def spent_j(self, ahead_s: float = 0.0) -> float:
        """Return the joules so far, and those expected of the next `ahead_s` seconds."""
        hour = _hour(self._wall)
        if hour != self._hour:
            self._hour, self._ended_j = hour, 0.0
            self._running = {account: (seen, seen) for account, (_, seen) in self._running.items()}
        running_j = 0.0
        for account, (begin_j, seen_j) in list(self._running.items()):
            if (bill := account.bill) is None:
                self._running[account] = begin_j, account.energy_j
                running_j += account.expected_j(ahead_s) - begin_j
            else:
                del self._running[account]
                self._ended_j += (seen_j if bill.energy_j is None else bill.energy_j) - begin_j
        return self._ended_j + running_j

    def why_spent(self, ahead_s: float = 0.0, part: float = 1.0) -> str | None:
        """Return why `part` of the limit does not reach for `ahead_s` more; None: it does."""
        limit_j = self.limit_j
        if self.spent_j(ahead_s) < part * limit_j:
            return None
        whose = "The applications without a budget of their own have"
        if self.name != OTHER_APPS:
            whose = f"The application {self.name} has"
        return f"{whose} spent the {limit_j:.0f} J of this hour (applications.{self.name})"

    def refusal(self, why: str) -> Unavailable:
        """Return the error for a request that has to come again in the next hour."""
        left_s = self.left_s
        message = f"{why}; the next hour begins in {left_s:.0f} s."
        return Unavailable(message, retry_after_s=left_s, code="app_budget")


def _hour(wall: Callable[[], float]) -> int:
    """Return the number of the present hour since 1970."""
    return math.floor(wall() / HOUR_S)


class AppBudgets:
    """The budgets by application; those that are not named share the one of `*`."""

    def __init__(
        self,
        budgets: Mapping[str, AppBudget],
        above_idle_w: Callable[[], float | None],
        booked_j: Callable[[float], dict[str, float]],
        wall: Callable[[], float],
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
        most: int = 16,
    ) -> None:
        """`booked_j` reads each application's joules since a time from the disk.

        At most `most` requests wait for one budget.
        """
        self._spendings = {
            name: Spending(name, budget, above_idle_w, wall) for name, budget in budgets.items()
        }
        self._booked_j, self._wall, self._pause = booked_j, wall, pause
        self._most = most
        self._recalling = asyncio.Lock()
        self._recalled = False

    def of(self, app: str) -> Spending | None:
        """Return what counts against the budget of `app`; None: it has none."""
        others = None if app == OWN_APP else self._spendings.get(OTHER_APPS)
        return self._spendings.get(app, others)

    def report(self) -> list[AppBudgetState]:
        """Return what is spent of each budget."""
        return [
            AppBudgetState(
                one.name, one.spent_j(), None if math.isinf(one.limit_j) else one.limit_j
            )
            for one in self._spendings.values()
        ]

    async def admit(self, spending: Spending | None) -> None:
        """Return once its budget has joules left; raises Unavailable where it does not queue.

        That may take an hour: who waits must not hold what others need.
        """
        if spending is None:
            return
        await self._recall()
        if spending.budget.over == "refuse" or spending.waiting >= self._most:
            self.check(spending)
        spending.waiting += 1
        try:
            while spending.why_spent(part=FULL) is not None:
                await self._pause(min(LOOK_S, spending.left_s))
        finally:
            spending.waiting -= 1

    def check(self, spending: Spending | None) -> None:
        """Raise Unavailable where its budget has no joules left, also where it queues."""
        if spending is not None and (why := spending.why_spent(part=FULL)) is not None:
            raise spending.refusal(why)

    async def _recall(self) -> None:
        """Count what was spent in this hour before the daemon started, once."""
        async with self._recalling:
            if self._recalled:
                return
            begin = HOUR_S * _hour(self._wall)
            for app, energy_j in (await asyncio.to_thread(self._booked_j, begin)).items():
                if (spending := self.of(app)) is not None:
                    spending.add(energy_j)
            self._recalled = True
