"""What is given up, and in which order, when the board cannot afford full speed."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rt.governor.limits import Sacrifice

_NEXT_S = 5.0  # that a sacrifice is given to help before the next one is made
_BACK_S = 5.0  # that all must be well before the last one is taken back
WELL = 1.5  # times the floor


class Sacrifices:
    """Makes one after the other, and takes them back in reverse.

    Pacing is always there, since it is what keeps a budget. What stands before it in the order is
    given up as soon as anything must be, what stands behind it once the pace is at its floor.
    """

    def __init__(self, order: Sequence[Sacrifice], floor_duty: float) -> None:
        place = order.index("pace") if "pace" in order else len(order)
        self._first = place
        self._order = (*order[:place], *order[place + 1 :])
        self._floor = floor_duty
        self._count = 0
        self._waited_s = 0.0

    @property
    def made(self) -> frozenset[Sacrifice]:
        """Beyond pacing."""
        return frozenset(self._order[: self._count])

    def update(self, dt_s: float, duty: float) -> None:
        """`duty` is the share of the time that one thread may work."""
        wanted = self._wanted(duty)
        if wanted == self._count:
            self._waited_s = 0.0
            return
        self._waited_s += dt_s
        if self._waited_s >= (_NEXT_S if wanted > self._count else _BACK_S):
            self._count += 1 if wanted > self._count else -1
            self._waited_s = 0.0

    def relent(self, duty: float) -> None:
        """Take back at once what nobody asks for any more: somebody has changed the budget."""
        self._count = min(self._count, self._wanted(duty))

    def _wanted(self, duty: float) -> int:
        if duty < self._floor:
            return len(self._order)
        least = self._first if duty < 1.0 else 0
        return max(least, self._count) if duty < WELL * self._floor else least
