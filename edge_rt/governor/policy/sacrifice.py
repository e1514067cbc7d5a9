"""What is given up, and in which order, when the board cannot afford full speed."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rt.core.limits import Sacrifice

_NEXT_S = 5.0  # that a sacrifice is given to help before the next one is made
_BACK_S = 5.0  # that all must be well before the last one is taken back
WELL = 1.5  # times the floor
_BARELY_S = 30.0  # the same where the floor is reached, but not well
_TRIED_S = 300.0  # without requests, until one may show whether it is as bad as believed


class Sacrifices:
    """Makes one after the other, and takes them back in reverse.

    Pacing is always there, since it is what keeps a budget. What stands before it in the order is
    given up as soon as anything must be, what stands behind it once the pace is at its floor.

    A board that turns requests away learns nothing. So after some minutes without any its door
    opens, if the pace is believed to be low but not nothing.
    """

    def __init__(self, order: Sequence[Sacrifice], floor_duty: float) -> None:
        self._order: tuple[Sacrifice, ...] = ()
        self._floor = floor_duty
        self._count = 0
        self._waited_s = self._quiet_s = 0.0
        self._more: bool = False  # whether it waits to make one, or else to take one back
        self.arrange(order)

    @property
    def made(self) -> frozenset[Sacrifice]:
        """Beyond pacing."""
        return frozenset(self._order[: self._count])

    def arrange(self, order: Sequence[Sacrifice]) -> None:
        """Only these may be made from now on. What is made stays, and what now comes before it is
        made as well.
        """
        made = self.made
        place = order.index("pace") if "pace" in order else len(order)
        self._first = place
        self._order = (*order[:place], *order[place + 1 :])
        doors = (k for k, name in enumerate(self._order) if name in ("queue", "refuse"))
        self._doors = next(doors, len(self._order))  # that may be made with the door open
        self._count = max((k for k, name in enumerate(self._order, 1) if name in made), default=0)

    def update(self, dt_s: float, duty: float, quiet: bool = False) -> None:
        """`duty` is the share of the time that one thread may work; `quiet`: nobody asks."""
        self._quiet_s = self._quiet_s + dt_s if quiet else 0.0
        wanted = self._wanted(duty)
        more = wanted > self._count
        if wanted == self._count or more != self._more:
            self._waited_s = 0.0
        self._more = more
        if wanted == self._count:
            return
        self._waited_s += dt_s
        back_s = _BARELY_S if self._floor <= duty < WELL * self._floor else _BACK_S
        if self._waited_s >= (_NEXT_S if more else back_s):
            self._count += 1 if more else -1
            self._waited_s = 0.0

    def settle(self, duty: float) -> None:
        """Somebody has changed the budget: take back at once what nobody asks for any more, and
        give all up where nothing can be afforded."""
        wanted = self._wanted(duty)
        if wanted < self._count or duty <= 0.0:
            self._count = wanted

    def _wanted(self, duty: float) -> int:
        if duty >= self._floor:
            return self._first if duty < 1.0 else 0
        tried = duty > 0.0 and self._quiet_s >= _TRIED_S
        return self._doors if tried else len(self._order)
