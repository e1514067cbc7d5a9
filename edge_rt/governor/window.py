"""The cap on power: what the present window leaves, and the margin that past windows ask for."""

from __future__ import annotations

import heapq
from collections import deque

_MEMORY_S = 120.0
_MISSED = 0.001  # share of the past windows that the margin need not cover
_FLOOR, _MOST = 0.01, 0.15  # of the cap


class PowerWindow:
    """Remembers what was drawn and what had been planned."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float, float]] = deque()  # seconds, watts, watts planned
        self._excess: deque[tuple[float, float]] = deque()  # time, watts above plan in a window
        self._time_s = 0.0

    def add(self, dt_s: float, power_w: float, planned_w: float, window_s: float) -> None:
        """`power_w` was drawn for `dt_s` where `planned_w` had been allowed for."""
        self._time_s += dt_s
        self._looks.append((dt_s, power_w, planned_w))
        seconds = sum(look[0] for look in self._looks)
        while seconds - self._looks[0][0] >= window_s - 1e-6:
            seconds -= self._looks.popleft()[0]
        if seconds >= window_s - 1e-6:
            excess_w = sum(dt * (power - plan) for dt, power, plan in self._looks) / seconds
            self._excess.append((self._time_s, excess_w))
        while self._excess and self._excess[0][0] < self._time_s - _MEMORY_S:
            self._excess.popleft()

    def turn(self) -> None:
        """Begin a new window; what was learnt of plans stays."""
        self._looks.clear()

    def margin_w(self, cap_w: float, least_w: float = 0.0) -> float:
        """What to stay below the cap, for the windows that came out higher than planned."""
        count = 1 + int(len(self._excess) * _MISSED)
        worst = heapq.nlargest(count, (excess for _, excess in self._excess))
        margin_w = worst[-1] if worst else 0.0
        return min(_MOST * cap_w, max(_FLOOR * cap_w, margin_w, least_w))

    def room_w(self, cap_w: float, window_s: float, next_s: float) -> float:
        """The most for the next `next_s` that leaves the window then ending within the cap."""
        left_s, spent_j = max(0.0, window_s - next_s), 0.0
        for dt_s, power_w, _ in reversed(self._looks):
            part_s = min(dt_s, left_s)
            spent_j += part_s * power_w
            left_s -= part_s
        spent_j += left_s * cap_w  # before the first look
        return (cap_w * window_s - spent_j) / min(next_s, window_s)
