"""What a request takes of time and energy, and what the board draws anyway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_rt.core.requests import OWN_APP

COVERED = 0.95  # of the busy time must lie where energy is known: a bill is no extrapolation
NOTHING_J = 1e-6  # less than any meter's step is rounding
INSTANT_S = 1e-6  # how long a span lasts that begins when it ends
STEADY_S = 0.2  # of readings before their joules make a rate
ENGINE = "engine"  # which tells of what most accounts had
NOTHING_S = 1e-9  # less busy time than that has no price


@dataclass(frozen=True)
class Bill:
    """What a request took, final.

    `energy_j` is what it added to what the board draws anyway; None, never 0, where that is not
    known. It is `modelled` where the request was served for less than the meter can resolve.
    """

    energy_j: float | None
    busy_s: float  # the engine's time for it alone
    power_w: float | None  # the board's mean while it lasted, others' work included
    modelled: bool = False

    @property
    def resolved(self) -> bool:
        """Whether the joules are known."""
        return self.energy_j is not None


class Account:
    """One request's running sums, in seconds and joules; times are monotonic.

    Seconds come when the engine tells them, joules when the window that they fall into is settled.
    """

    def __init__(self, begin_s: float, *, teller: str = ENGINE) -> None:
        """`teller` names the process that works for it, and tells of that."""
        self.begin_s = begin_s
        self.teller = teller
        self.app = OWN_APP
        self.end_s: float | None = None
        self.prefill_s = self.decode_s = 0.0
        self.prefill_j = self.decode_j = 0.0
        self.resolved_s = 0.0  # busy seconds that lie in settled windows of known energy
        self.torn = False  # the meter changed meanwhile: some joules are not known
        self.bill: Bill | None = None  # there once closed
        self._first_s: float | None = None
        self._last_s = begin_s
        self._board_j = self._board_s = 0.0

    @property
    def busy_s(self) -> float:
        """The engine's time for it alone, as told so far."""
        return self.prefill_s + self.decode_s

    @property
    def energy_j(self) -> float:
        """Joules so far; 0 once closed with a bill that knows none."""
        return self.prefill_j + self.decode_j

    def expected_j(self, ahead_s: float) -> float:
        """Return the joules after `ahead_s` seconds more, as told by readings or expected."""
        if self.resolved_s < STEADY_S:
            return self.energy_j
        rate_w = self.energy_j / self.resolved_s  # while the engine works for it
        return self.energy_j + rate_w * max(0.0, self.busy_s + ahead_s - self.resolved_s)

    @property
    def served_s(self) -> float:
        """Seconds from the first to the last work for it, other requests' turns included."""
        return 0.0 if self._first_s is None else self._last_s - self._first_s

    @property
    def power_w(self) -> float | None:
        """The board's mean power so far, by one meter; None before a reading in its time."""
        return self._board_j / self._board_s if self._board_s > 0 else None

    def work(self, begin_s: float, end_s: float, prefill_s: float, decode_s: float) -> None:
        """Take what the engine did for it between two times."""
        if prefill_s + decode_s <= 0:
            return
        self.prefill_s += prefill_s
        self.decode_s += decode_s
        self._first_s = begin_s if self._first_s is None else min(self._first_s, begin_s)
        self._last_s = max(self._last_s, end_s)

    def charge(self, prefill_j: float, decode_j: float, resolved_s: float) -> None:
        """Take its part of a window."""
        self.prefill_j += prefill_j
        self.decode_j += decode_j
        self.resolved_s += resolved_s

    def feel(self, energy_j: float, covered_s: float) -> None:
        """Take the whole board's energy over some of its time."""
        self._board_j += energy_j
        self._board_s += covered_s

    def renew(self) -> None:
        """Start over with another meter: the joules stay unknown, and the mean starts again."""
        self.torn = True
        self._board_j = self._board_s = 0.0

    def settle(self, now_s: float, resolution_s: float, price_w: float | None = None) -> Bill:
        """Close it for good; joules that the bill does not vouch for are let go.

        Where it was served for less than `resolution_s`, its part of a window is mostly chance:
        it pays `price_w` for each busy second in place of that, if there is such a price.
        """
        self.end_s = now_s
        brief = self.busy_s > 0 and self.served_s < resolution_s
        if brief and price_w is not None:
            self.prefill_j, self.decode_j = price_w * self.prefill_s, price_w * self.decode_s
        known = self._known()
        if not known:
            self.prefill_j = self.decode_j = 0.0
        energy_j = self.energy_j if known else None
        self.bill = Bill(energy_j, self.busy_s, self.power_w, modelled=known and brief)
        return self.bill

    def _known(self) -> bool:
        if self.torn:
            return False
        if self.busy_s <= 0:
            return True  # it never got the engine's time, so it truly took nothing
        covered = self.resolved_s >= COVERED * self.busy_s
        return covered and self.energy_j > NOTHING_J


class Window:
    """Joules over `covered_s` seconds, which lie between `begin_s` and `end_s`."""

    def __init__(
        self, begin_s: float, end_s: float, energy_j: float, covered_s: float, quiet: bool
    ) -> None:
        """`quiet`: nobody was there who could have wanted work, nor shortly before."""
        self.begin_s = begin_s
        self.end_s = end_s
        # A counter that was not read for long tells at once what it counted since: only the
        # window's own part of that belongs to those who worked in it.
        own = min(1.0, (end_s - begin_s) / covered_s) if covered_s > 0 else 0.0
        self.energy_j = own * energy_j
        self.covered_s = own * covered_s
        self.quiet = quiet
        self.busy_s = 0.0  # of those who have not taken their part yet
        self.spent_j = 0.0
        self.told_s = 0.0  # busy seconds of all, also of those who have taken their part
        self.worker: Account | None = None  # one of those that worked in it
        self._parts: dict[Account | None, tuple[float, float]] = {}

    @property
    def accounts(self) -> list[Account]:
        """The accounts that worked in this window and were not charged yet."""
        return [account for account in self._parts if account is not None]

    @property
    def known(self) -> bool:
        """Whether all of its work is somebody's: that of a lost engine may have been none."""
        return None not in self._parts

    def add(self, account: Account | None, prefill_s: float, decode_s: float) -> None:
        """Somebody, or nobody known, kept the engine busy in this window."""
        before = self._parts.get(account, (0.0, 0.0))
        self._parts[account] = (before[0] + prefill_s, before[1] + decode_s)
        self.worker = account or self.worker
        self.busy_s += prefill_s + decode_s
        self.told_s += prefill_s + decode_s

    def price_w(self, idle_w: float, untold_s: float) -> float:
        """Return the joules of a busy second: what is left above `idle_w`, over all with a part.

        `untold_s` seconds more are taken as busy for those who have not been told of yet.
        """
        left_j = self.energy_j - idle_w * self.covered_s - self.spent_j
        busy_s = self.busy_s + untold_s
        return left_j / busy_s if left_j > 0 and busy_s > NOTHING_S else 0.0

    def take(self, account: Account, price_w: float) -> float:
        """Charge `account` its part at `price_w`, once; return the joules."""
        prefill_s, decode_s = self._parts.pop(account, (0.0, 0.0))
        busy_s = prefill_s + decode_s
        seen = self.covered_s / (self.end_s - self.begin_s)
        account.charge(price_w * prefill_s, price_w * decode_s, seen * busy_s)
        self.busy_s = max(0.0, self.busy_s - busy_s)
        self.spent_j += price_w * busy_s
        return price_w * busy_s

    def feel(self, account: Account) -> None:
        """Add the board's energy over the part of the account's life within this window."""
        part = (self.end_s - max(self.begin_s, account.begin_s)) / (self.end_s - self.begin_s)
        if part > 0:
            account.feel(part * self.energy_j, part * self.covered_s)


@dataclass(frozen=True)
class Span:
    """What the engine did between two times: account, prefill and decode seconds of each."""

    begin_s: float
    end_s: float
    shares: Sequence[tuple[Account | None, float, float]]

    def pour(self, window: Window) -> None:
        """Give `window` the part that lies in it; busy seconds are spread evenly."""
        begin_s = min(self.begin_s, self.end_s - INSTANT_S)
        common_s = min(self.end_s, window.end_s) - max(begin_s, window.begin_s)
        part = common_s / (self.end_s - begin_s)
        if part <= 0:
            return
        for account, prefill_s, decode_s in self.shares:
            # Who is closed has its bill: what comes to light of it later is nobody's.
            whose = None if account is None or account.bill is not None else account
            window.add(whose, part * prefill_s, part * decode_s)
