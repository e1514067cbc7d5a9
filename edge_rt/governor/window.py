"""The cap on power: what the present window leaves, and the margin that past windows ask for."""

from __future__ import annotations

from collections import deque

_HALF_S = 40.0  # in which what went wrong counts for half
_TINY_S = 1e-6


class PowerWindow:
    """Remembers what was drawn, and by how much windows came out higher than planned."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float, float]] = deque()  # seconds, watts, watts planned
        self.excess_w = 0.0  # above plan, of the worst window
        self._begins = False

    def add(self, dt_s: float, power_w: float, planned_w: float, window_s: float) -> None:
        """`power_w` was drawn for `dt_s` where `planned_w` had been allowed for."""
        if self._begins:  # what it saw was begun under other limits than the plan's
            self._begins = False
            return
        self._looks.append((dt_s, power_w, planned_w))
        seconds = sum(look[0] for look in self._looks)
        while seconds - self._looks[0][0] >= window_s - _TINY_S:
            seconds -= self._looks.popleft()[0]
        self.excess_w *= 0.5 ** (dt_s / _HALF_S)
        if seconds >= window_s - _TINY_S:
            excess_w = sum(dt * (power - plan) for dt, power, plan in self._looks) / seconds
            self.excess_w = max(self.excess_w, excess_w)

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
