"""Whose joules they were: shares of the supply's energy by the engine's busy time.

What the board draws anyway, what was worked for nobody known and what cannot be told is kept as
unattributed, so that the joules of all accounts and the unattributed ones add up to the supply's.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from edge_rt.board.integral import Energy
from edge_rt.board_model.idle import FadingMean, IdlePower
from edge_rt.energy.account import ENGINE, Account, Bill, Span, Window

# After work a window teaches no baseline for so long: governors take tens of milliseconds to
# lower the clocks, power chips average over up to a few hundred, and memory and regulators follow.
SETTLING_S = 0.3

MEMORY_S = 10.0  # busy seconds over which the price of one is taken
ENOUGH_S = 0.2  # of them make a price


@dataclass(frozen=True)
class Totals:
    """The supply's joules since the first reading, and how much of them found an owner.

    `attributed_j` holds running requests' joules too; it falls when one of them ends unresolved,
    since its joules are unattributed from then on.
    """

    energy_j: float
    attributed_j: float
    covered_s: float
    missing_s: float
    idle_j: float = 0.0  # what the board drew anyway, as far as that is settled


class Attribution:
    """Shares the joules between two readings among those who kept the engine busy then.

    Times are readings of one monotonic clock. Two readings make a window; it stays pending until
    the engine can have nothing more to say about it, and is then settled: what the board drew
    above its baseline is shared by busy seconds. A window without work teaches the baseline.
    Used by one thread.
    """

    def __init__(self, idle: IdlePower, resolution_s: float = 0.0, hold_s: float = 30.0) -> None:
        """Have requests served for less than `resolution_s` pay the recent price of a busy second.

        Nothing waits for more than `hold_s` for an engine, or a meter, that is silent.
        """
        self._idle = idle
        self.resolution_s = resolution_s
        self._hold_s = hold_s
        self._price = FadingMean(MEMORY_S, ENOUGH_S)  # joules above the baseline of a busy second
        self._open: dict[Account, None] = {}
        self._pending: deque[Window] = deque()
        self._ahead: deque[Span] = deque()  # told of time that no window has reached
        self._told_s: dict[str, float] = {}  # by teller, up to when it has told
        self._busy_until_s = -math.inf
        self._loading = self._loaded = False
        self._start: tuple[float, Energy] | None = None  # where the next window begins
        self._last: tuple[float, Energy] | None = None
        self._renewed = False  # whether the next reading is another meter's
        self._energy_j = self._attributed_j = self._covered_s = self._missing_s = 0.0
        self._idle_j = 0.0
        self.tails_j: dict[str, float] = {}  # by application, until somebody takes them
        self._worker: Account | None = None  # of the last window with work, and its end
        self._worked_s = -math.inf

    @property
    def totals(self) -> Totals:
        """Everything up to the last reading."""
        known = self._energy_j, self._attributed_j, self._covered_s, self._missing_s
        return Totals(*known, self._idle_j)

    @property
    def loading(self) -> bool:
        """Whether a model is being loaded, which is work though no request's."""
        return self._loading

    @loading.setter
    def loading(self, loading: bool) -> None:
        self._loading = loading
        self._loaded |= loading

    def open(self, now_s: float, teller: str = ENGINE) -> Account:
        """Open an account for a request that has been handed to the engine, or another teller."""
        account = Account(now_s, teller=teller)
        self._open[account] = None
        return account

    def told(
        self,
        begin_s: float,
        end_s: float,
        shares: Iterable[tuple[Account | None, float, float]],
        teller: str = ENGINE,
    ) -> None:
        """Note prefill and decode seconds that `teller` spent on accounts between two times.

        None stands for work of nobody known. What concerns settled windows comes too late: it
        counts as busy time of unknown energy.
        """
        span = Span(begin_s, end_s, tuple(shares))
        for account, prefill_s, decode_s in span.shares:
            if account is not None and account.bill is None:
                account.work(begin_s, end_s, prefill_s, decode_s)
        for window in reversed(self._pending):
            if window.end_s <= begin_s:
                break
            span.pour(window)
        self._tell(end_s, teller)
        self._busy_until_s = max(self._busy_until_s, end_s)
        self._keep(span)
        self._settle()

    def reading(self, time_s: float, total: Energy) -> None:
        """Take a reading of the supply's meter: `total` at `time_s`.

        A reading that is no later than the last one is left out. A meter that went back has been
        reset: the time in between is missing.
        """
        if self._last is None or self._start is None:
            self._start = self._last = (time_s, total)
            return
        last_s, last = self._last
        if time_s <= last_s:
            return
        self._last = (time_s, total)
        back = total.energy_j < last.energy_j or total.covered_s < last.covered_s
        if back or self._renewed:
            self._renewed = False
            self._missing_s += time_s - last_s
            self._start = self._last
            return
        self._energy_j += total.energy_j - last.energy_j
        self._covered_s += total.covered_s - last.covered_s
        self._missing_s += total.missing_s - last.missing_s
        self._advance(self._start, self._last)

    def close(self, account: Account, now_s: float) -> Bill:
        """Return the final bill of a request that has ended, whichever way.

        Read the supply just before: busy time after the last reading has no known energy.
        """
        if account.bill is not None:
            return account.bill
        self._open.pop(account, None)
        self._busy_until_s = max(self._busy_until_s, now_s)
        self._settle()
        for window in self._pending:
            self._charge(window, [account])
        energy_j = account.energy_j
        bill = account.settle(now_s, self.resolution_s, self._price_w(account))
        self._attributed_j += account.energy_j - energy_j
        return bill

    def lost(self, now_s: float) -> None:
        """Take the last work of a lost engine, of which no word came, as nobody's."""
        since_s = min(now_s, self._certain_s)
        self.told(since_s, now_s, [(None, 0.0, now_s - since_s)] if self._open else [])

    def renew(self, now_s: float) -> None:
        """Begin with another meter: the joules of open accounts stay unresolved."""
        for account in self._open:
            self._tell(now_s, account.teller)
        self._settle()
        for account in self._open:
            account.renew()
        self._idle.forget()
        self._price = FadingMean(MEMORY_S, ENOUGH_S)
        self._renewed = True

    @property
    def _certain_s(self) -> float:
        """The time up to which nothing more will be reported by any teller with open accounts."""
        begun_s: dict[str, float] = {}
        for account in self._open:
            begun_s[account.teller] = min(begun_s.get(account.teller, math.inf), account.begin_s)
        told_s = (max(self._told_s.get(one, -math.inf), at_s) for one, at_s in begun_s.items())
        return min(told_s, default=math.inf)

    def _tell(self, now_s: float, teller: str) -> None:
        self._told_s[teller] = max(self._told_s.get(teller, -math.inf), now_s)

    def _keep(self, span: Span) -> None:
        if self._last is None or self._start is None:
            return  # without a meter no window will come for it
        if span.end_s > self._start[0]:
            self._ahead.append(span)
        while self._ahead and self._ahead[0].end_s < span.end_s - self._hold_s:
            self._ahead.popleft()

    def _advance(self, start: tuple[float, Energy], end: tuple[float, Energy]) -> None:
        covered_s = end[1].covered_s - start[1].covered_s
        if covered_s <= 0 and end[0] - start[0] < self._hold_s:
            return  # the meter has nothing new yet; a counter may tell of this time later
        energy_j = end[1].energy_j - start[1].energy_j
        window = Window(start[0], end[0], energy_j, covered_s, self._quiet(start[0], end[0]))
        self._start = end
        for span in self._ahead:
            span.pour(window)
        self._ahead = deque(span for span in self._ahead if span.end_s > window.end_s)
        for account in self._open:
            window.feel(account)
        self._pending.append(window)
        self._settle()

    def _quiet(self, begin_s: float, end_s: float) -> bool:
        loaded, self._loaded = self._loaded, self._loading
        if loaded:
            self._busy_until_s = max(self._busy_until_s, end_s)
        waiting = any(account.begin_s < end_s for account in self._open)
        return not waiting and begin_s >= self._busy_until_s + SETTLING_S

    def _settle(self) -> None:
        if self._last is None:
            return
        certain_s, oldest_s = self._certain_s, self._last[0] - self._hold_s
        while self._pending and self._pending[0].end_s <= max(certain_s, oldest_s):
            window = self._pending.popleft()
            if window.told_s > 0:
                self._idle.work(window.energy_j, window.covered_s)
                if window.known:
                    self._learn(window, certain_s)
                self._charge(window, window.accounts)
                self._worker, self._worked_s = window.worker, window.end_s
            elif window.quiet:
                self._idle.learn(window.energy_j, window.covered_s)
            idle_j = (self._idle.idle_w or 0.0) * window.covered_s
            self._idle_j += max(0.0, min(idle_j, window.energy_j - window.spent_j))
            if window.told_s <= 0 and self._worker and self._idle.idle_w is not None:
                self._tail(window, self._worker, window.energy_j - idle_j)

    def _tail(self, window: Window, worker: Account, energy_j: float) -> None:
        """Charge what a window without work is above idle to the application before it.

        Clocks and regulators take a while to come to rest; the requests have their bills by then.
        """
        if window.begin_s < self._worked_s + SETTLING_S and energy_j > 0:
            self.tails_j[worker.app] = self.tails_j.get(worker.app, 0.0) + energy_j

    def _charge(self, window: Window, accounts: Iterable[Account]) -> None:
        """Let accounts take their parts; whoever runs on is taken as busy since last told of."""
        idle_w = self._idle.idle_w
        if idle_w is None:
            return  # and never will it be known for this window: only later ones can teach it
        untold_s = max(0.0, window.end_s - max(window.begin_s, self._certain_s))
        price_w = window.price_w(idle_w, untold_s)
        for account in accounts:
            self._attributed_j += window.take(account, price_w)

    def _learn(self, window: Window, certain_s: float) -> None:
        idle_w = self._idle.idle_w
        if idle_w is not None and window.end_s <= certain_s:
            added_j = window.energy_j - idle_w * window.covered_s
            seen = window.covered_s / (window.end_s - window.begin_s)
            self._price.learn(added_j, seen * window.told_s)

    def _price_w(self, account: Account) -> float | None:
        """Return the recent price of a busy second, never more than is left for all of them."""
        price_w = self._price.power_w
        if price_w is None or price_w <= 0 or not account.busy_s:
            return None
        left_j = self._energy_j - self._attributed_j + account.energy_j
        return min(price_w, left_j / account.busy_s)
