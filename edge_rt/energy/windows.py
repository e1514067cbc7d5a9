"""The time between two readings of the meter, and who kept the engine busy in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_rt.energy.account import Account

_INSTANT_S = 1e-6  # how long a span lasts that begins when it ends
_NOTHING_S = 1e-9  # less busy time than that has no price


class Window:
    """Joules over `covered_s` seconds, which lie between `begin_s` and `end_s`."""

    __slots__ = (
        "_parts",
        "begin_s",
        "busy_s",
        "covered_s",
        "end_s",
        "energy_j",
        "quiet",
        "spent_j",
        "told_s",
    )

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
        self._parts: dict[Account | None, tuple[float, float]] = {}

    @property
    def accounts(self) -> list[Account]:
        """Who was told to have worked in it and has not taken its part yet."""
        return [account for account in self._parts if account is not None]

    def add(self, account: Account | None, prefill_s: float, decode_s: float) -> None:
        """Somebody, or nobody known, kept the engine busy in this window."""
        before = self._parts.get(account, (0.0, 0.0))
        self._parts[account] = (before[0] + prefill_s, before[1] + decode_s)
        self.busy_s += prefill_s + decode_s
        self.told_s += prefill_s + decode_s

    def price_w(self, idle_w: float, untold_s: float) -> float:
        """Joules for each busy second: what is left above `idle_w`, over all who have a part.

        `untold_s` seconds more are taken as busy for those who have not been told of yet.
        """
        left_j = self.energy_j - idle_w * self.covered_s - self.spent_j
        busy_s = self.busy_s + untold_s
        return left_j / busy_s if left_j > 0 and busy_s > _NOTHING_S else 0.0

    def take(self, account: Account, price_w: float) -> float:
        """Let `account` have its part, once; gives the joules."""
        prefill_s, decode_s = self._parts.pop(account, (0.0, 0.0))
        busy_s = prefill_s + decode_s
        seen = self.covered_s / (self.end_s - self.begin_s)
        account.charge(price_w * prefill_s, price_w * decode_s, seen * busy_s)
        self.busy_s = max(0.0, self.busy_s - busy_s)
        self.spent_j += price_w * busy_s
        return price_w * busy_s

    def feel(self, account: Account) -> None:
        """Let `account` have the board's energy over the part of its life that lies in here."""
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
        begin_s = min(self.begin_s, self.end_s - _INSTANT_S)
        common_s = min(self.end_s, window.end_s) - max(begin_s, window.begin_s)
        part = common_s / (self.end_s - begin_s)
        if part <= 0:
            return
        for account, prefill_s, decode_s in self.shares:
            # Who is closed has its bill: what comes to light of it later is nobody's.
            whose = None if account is None or account.bill is not None else account
            window.add(whose, part * prefill_s, part * decode_s)
