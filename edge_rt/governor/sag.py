"""The cap in force while the board's supply sags."""

from __future__ import annotations

import math

import msgspec

from edge_rt.config.schema import BudgetConfig

# Factor of each step down, and the least share: where passes cannot draw less, a lower one would
# cost nearly all tokens and leave the sags.
_LOWER, _LEAST = 0.85, 0.5
_STANDS_S = 2.0  # that a sag lasts until the next step down
_HOLD_S, _MOST_S = 60.0, 1800.0  # after a sag, until the first step up: at first, and at most
_RAISE, _RAISE_S = 0.1, 10.0  # step up, and the time until the next one
_FORGET_S = 3600.0  # without a sag, after which one holds no longer than the first


class SagCap:
    """Lowers the cap while the supply sags, holds it, and raises it step by step.

        cap in force = rest + share · (min(cap, full) - rest)

    with the watts at rest and at full work at each change of the share. That falls at once and for
    each 2 s that the sag lasts; it rises after the hold, which doubles with each further sag.
    """

    def __init__(self) -> None:
        self.cap_w: float | None = None  # in force; None: nothing is lowered
        self._flag = ""  # that told of the last sag
        self._share, self._lowered_w = 1.0, math.inf
        self._hold_s = _HOLD_S
        self._last_s = -math.inf  # when it sagged last
        self._raised = False  # since then
        self._lower_s, self._raise_s = -math.inf, math.inf  # when the next step may be taken

    def look(
        self, time_s: float, flag: str | None, budget: BudgetConfig, idle_w: float, full_w: float
    ) -> BudgetConfig:
        """Return the budget in force; `flag` tells of a sag, None: there is none."""
        share = self._share
        if flag is not None:
            self._lower(time_s, flag)
        elif time_s >= self._raise_s:
            self._share, self._raise_s = min(1.0, share + _RAISE), time_s + _RAISE_S
            self._raised = True
        user_w = math.inf if budget.power_w is None else budget.power_w
        if self._share != share:
            room_w = max(0.0, min(user_w, full_w) - idle_w)
            self._lowered_w = idle_w + self._share * room_w if self._share < 1.0 else math.inf
        if self._lowered_w >= user_w:
            self.cap_w = None
            return budget
        self.cap_w = self._lowered_w
        return msgspec.structs.replace(budget, power_w=self.cap_w, peak_ratio=1.0)

    @property
    def subject(self) -> str | None:
        """What lowers the cap, as the beginning of a sentence; None: nothing does."""
        return None if self.cap_w is None else f"the supply that sags ({self._flag})"

    @property
    def told(self) -> str | None:
        """A sentence for whoever can mend the supply; None: the cap is not lowered."""
        if self.cap_w is None:
            return None
        rule = f"at most {self.cap_w:.3g} W may be drawn until it has held for {self._hold_s:.0f} s"
        return f"The supply sags ({self._flag}): {rule}. Use a stronger one, and a short cable."

    def _lower(self, time_s: float, flag: str) -> None:
        if time_s - self._last_s > _FORGET_S:
            self._hold_s = _HOLD_S
        elif self._raised:
            self._hold_s = min(_MOST_S, 2.0 * self._hold_s)
        self._raised = False
        if time_s >= self._lower_s:
            self._share = max(_LEAST, _LOWER * self._share)
            self._lower_s = time_s + _STANDS_S
        self._flag, self._last_s, self._raise_s = flag, time_s, time_s + self._hold_s
