"""The cap on power: what the present window leaves, and the margin that past windows ask for."""

from __future__ import annotations

from collections.abc import Sequence

_HALF_S = 40.0  # in which what went wrong counts for half,
_NEW = 0.5  # and this share of the time at work so far: what is learnt at first goes wrong
_LEAST_S = 1.0
_LEARNT_S = 40.0  # at work, after which windows have shown what they come out like
_MOST = 0.1  # of the plan: a worse mishap would be remembered for too long
_TINY_S = 1e-6


class PowerWindow:
    """Remembers what was drawn, and by how much windows came out higher than planned."""

    def __init__(self) -> None:
        self._looks: list[tuple[float, float, float]] = []  # seconds, watts, watts planned
        self.excess_w = 0.0  # above plan, of the worst window
        self._begins = False
        self._worked_s = 0.0

    def add(
        self,
        dt_s: float,
        power_w: float,
        planned_w: float,
        window_s: float,
        before: Sequence[float] = (),
        worked: bool = True,
    ) -> None:
        """`power_w` was drawn for `dt_s` where `planned_w` had been allowed for.

        `worked` tells whether the engine computed. `before` are the watts of the looks before, the
        newest last, as they are known by now.
        """
        if self._begins:  # what it saw was begun under other limits than the plan's
            self._begins = False
            return
        self._revise(before)
        self._looks.append((dt_s, power_w, planned_w))
        seconds = sum([look[0] for look in self._looks])
        while seconds - self._looks[0][0] >= window_s - _TINY_S:
            seconds -= self._looks.pop(0)[0]
        self._worked_s += dt_s * worked
        half_s = min(_HALF_S, max(_LEAST_S, _NEW * self._worked_s))
        self.excess_w *= 0.5 ** (dt_s / half_s)
        if seconds >= window_s - _TINY_S:
            excess_w = sum([dt * (power - plan) for dt, power, plan in self._looks]) / seconds
            self.excess_w = max(self.excess_w, min(excess_w, _MOST * planned_w))

    @property
    def new(self) -> float:
        """From 1 to 0 as it learns what windows come out like."""
        return max(0.0, 1.0 - self._worked_s / _LEARNT_S)

    def turn(self) -> None:
        """Begin a new window; what was learnt of plans stays."""
        self._looks.clear()
        self._begins = True

    def room_w(self, cap_w: float, window_s: float, next_s: float) -> float:
        """The most for the next `next_s` that leaves the window then ending within the cap."""
        left_s, spent_j = max(0.0, window_s - next_s), 0.0
        for dt_s, power_w, _ in reversed(self._looks):
            part_s = min(dt_s, left_s)
            spent_j += part_s * power_w
            left_s -= part_s
        spent_j += left_s * cap_w  # before the first look
        return (cap_w * window_s - spent_j) / min(next_s, window_s)

    def _revise(self, before: Sequence[float]) -> None:
        for back, power_w in enumerate(reversed(before[-len(self._looks) :]), 1):
            if back > len(self._looks):
                break
            dt_s, _, planned_w = self._looks[-back]
            self._looks[-back] = dt_s, power_w, planned_w
