"""Power windows: what the present one leaves, and how far past ones exceeded their plan."""

from __future__ import annotations

from collections.abc import Sequence

_HALF_S = 40.0  # half-life of an excess
_NEW, _LEAST_S = 0.5, 1.0  # at first it is this share of the time at work so far, at least a second
_LEARNT_S = 40.0  # of work, after which windows have shown what they come out like
_MOST = 0.1  # largest excess, as a share of the plan: a larger one would be kept for too long
_TINY_S = 1e-6


class PowerWindow:
    """Keeps the looks of the present window, and the excess of past windows over their plan."""

    def __init__(self) -> None:
        self._looks: list[tuple[float, float, float]] = []  # seconds, watts, watts planned
        self.mean_w = 0.0  # power of the last whole window; 0: there is none yet
        self.excess_w = 0.0  # of the worst window, which fades
        self.whole_excess_w = 0.0  # the same of windows in which the engine was to make no pause
        self._whole_s = 0.0  # for which it was not to
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
        whole: bool = False,
    ) -> None:
        """Take a look of `dt_s` with the mean power `power_w`, of which `planned_w` was planned.

        `worked` tells whether the engine computed, and `whole` whether it was to make no pause.
        `before` are the revised watts of the looks before, the newest last.
        """
        self._whole_s = self._whole_s + dt_s if whole else 0.0
        if self._begins:  # this look began under the limits before
            self._begins = False
            return
        self._revise(before)
        self._looks.append((dt_s, power_w, planned_w))
        seconds = sum([look[0] for look in self._looks])
        while seconds - self._looks[0][0] >= window_s - _TINY_S:
            seconds -= self._looks.pop(0)[0]
        self._worked_s += dt_s * worked
        half_s = min(_HALF_S, max(_LEAST_S, _NEW * self._worked_s))
        fade = 0.5 ** (dt_s / half_s)
        self.excess_w *= fade
        self.whole_excess_w *= fade
        if seconds >= window_s - _TINY_S:
            self.mean_w = sum([dt * power for dt, power, _ in self._looks]) / seconds
            excess_w = sum([dt * (power - plan) for dt, power, plan in self._looks]) / seconds
            excess_w = min(excess_w, _MOST * planned_w)
            self.excess_w = max(self.excess_w, excess_w)
            if self._whole_s >= window_s - _TINY_S:
                self.whole_excess_w = max(self.whole_excess_w, excess_w)

    @property
    def new(self) -> float:
        """1 at first, falling to 0 as windows show what they come out like."""
        return max(0.0, 1.0 - self._worked_s / _LEARNT_S)

    def turn(self) -> None:
        """Begin a new window; the excess stays."""
        self._looks.clear()
        self.mean_w = 0.0
        self._begins = True

    def room_w(self, cap_w: float, window_s: float, next_s: float) -> float:
        """The most power for the next `next_s` with which the window ending then keeps the cap."""
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
