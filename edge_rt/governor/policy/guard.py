"""The guard's states by temperature, the sacrifices, and the terms of admission that follow."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edge_rt.config.schema import GovernorConfig
from edge_rt.core.limits import Admission, Guard, Observation, Sacrifice

_NEXT_S = 5.0  # that a sacrifice is given to help before the next one is made
_BACK_S = 5.0  # that all must be well before the last one is taken back
WELL = 1.5  # times the floor
_BARELY_S = 30.0  # the same where the floor is reached, but not well
# That the door stays closed at a stretch until it begins to open: where other programs may have the
# power, and else.
CLOSED_S, LONG_CLOSED_S = 20.0, 300.0
BLIND_S = 60.0  # without a temperature, after which a stop ends: no cooling can be seen
STATES: tuple[Guard, ...] = ("ok", "caution", "hold", "evacuate")
_NOISE_K = 2.0  # of the difference of two zones


class Sacrifices:
    """Makes sacrifices one after the other, and takes them back in reverse order.

    Pacing is always there, since it is what keeps a budget. What stands before it in the order is
    given up as soon as anything must be, what stands behind it once the pace is at its floor.

    A board that turns requests away learns nothing, and other programs may need its power for
    long. So the door is closed for some time at most if the pace is believed to be low but not
    nothing; then it stays open until somebody comes.
    """

    def __init__(self, order: Sequence[Sacrifice], floor_duty: float) -> None:
        self._order: tuple[Sacrifice, ...] = ()
        self._floor = floor_duty
        self._count = 0
        self._waited_s = self._closed_s = 0.0
        self._most_s = CLOSED_S
        self._more: bool = False  # whether it waits to make one, or else to take one back
        self.arrange(order)

    @property
    def made(self) -> frozenset[Sacrifice]:
        """Beyond pacing."""
        return frozenset(self._order[: self._count])

    def arrange(self, order: Sequence[Sacrifice]) -> None:
        """Allow only these from now on.

        What is made stays, and what now comes before it is made as well.
        """
        made = self.made
        place = order.index("pace") if "pace" in order else len(order)
        self._first = place
        self._order = (*order[:place], *order[place + 1 :])
        doors = (k for k, name in enumerate(self._order) if name in ("queue", "refuse"))
        self._doors = next(doors, len(self._order))  # that may be made with the door open
        self._count = max((k for k, name in enumerate(self._order, 1) if name in made), default=0)

    def update(
        self, dt_s: float, duty: float, quiet: bool = False, closed_s: float = CLOSED_S
    ) -> None:
        """`duty` is the share of the time that one thread may work; `quiet`: nobody asks.

        `closed_s` is for how long the door may be closed until it begins to open.
        """
        self._most_s = closed_s
        if self._count > self._doors:
            self._closed_s += dt_s
        elif not quiet:
            self._closed_s = 0.0
        wanted = self._wanted(duty)
        more = wanted > self._count
        if wanted == self._count or more != self._more:
            self._waited_s = 0.0
        self._more = more
        if wanted == self._count:
            return
        self._waited_s += dt_s
        barely = self._floor <= duty < WELL * self._floor and not self._tried
        back_s = _BARELY_S if barely else _BACK_S
        if self._waited_s >= (_NEXT_S if more else back_s):
            self._count += 1 if more else -1
            self._waited_s = 0.0

    def settle(self, duty: float) -> None:
        """Adapt at once to a changed budget.

        Takes back sacrifices that are not needed any more, and makes all of them where nothing can
        be afforded.
        """
        wanted = self._wanted(duty)
        if wanted < self._count or duty <= 0.0:
            self._count = wanted

    def _wanted(self, duty: float) -> int:
        if duty >= self._floor:
            return self._first if duty < 1.0 else 0
        tried = duty > 0.0 and self._tried
        return max(self._doors, self._first) if tried else len(self._order)

    @property
    def _tried(self) -> bool:
        """Whether the door was closed for so long that it opens to see how bad it is."""
        return self._closed_s >= self._most_s


def admission(guard: Guard, made: Collection[Sacrifice]) -> Admission:
    """Return how requests are taken; `made` are the sacrifices in force.

    Caution and hold let them in: what heat allows is kept by the pace alone, and requests that are
    computed together cost fewer joules a token.
    """
    if "refuse" in made or guard == "evacuate":
        return "refuse"
    return "queue" if "queue" in made else "open"


class Lead:
    """Kelvins by which the hottest zone exceeds the zone nearest to its trip point, smoothed.

    Forecasts are of the hottest zone, so its limits are higher by this.
    """

    def __init__(self) -> None:
        self.kelvin = 0.0

    def look(self, seen: Observation) -> None:
        """Take the difference, unless it cannot be read or has hardly changed."""
        if seen.temp_c is None or seen.guarded_c is None:
            return
        kelvin = max(0.0, seen.temp_c - seen.guarded_c)
        if not kelvin or abs(kelvin - self.kelvin) > _NOISE_K:
            self.kelvin = kelvin


class GuardState:
    """Climbs at shares of the trip point, and comes down some kelvin below them."""

    def __init__(self, settings: GovernorConfig) -> None:
        self._settings = settings.guard
        self.state: Guard = "ok"
        self._blind_s = 0.0

    def thresholds_c(self, trip_c: float) -> tuple[float, float, float]:
        """Return where caution, hold and evacuate begin."""
        known = self._settings
        return known.caution * trip_c, known.hold * trip_c, known.evacuate * trip_c

    def update(self, temp_c: float | None, trip_c: float | None, dt_s: float = 0.0) -> Guard:
        """Return the state now, `dt_s` after the last one.

        It stays while either temperature is unknown, but a stop only for a minute.
        """
        if temp_c is None or trip_c is None:
            self._blind_s += dt_s
            if self.state == "evacuate" and self._blind_s >= BLIND_S:
                self.state = "hold"
            return self.state
        self._blind_s = 0.0
        level = STATES.index(self.state)
        limits = self.thresholds_c(trip_c)
        while level < len(limits) and temp_c >= limits[level]:
            level += 1
        while level and temp_c < limits[level - 1] - self._settings.hysteresis_c:
            level -= 1
        self.state = STATES[level]
        return self.state

    def leaves_c(self, trip_c: float) -> float:
        """Return the temperature below which the present state is left; the trip point in "ok"."""
        level = STATES.index(self.state)
        if not level:
            return trip_c
        return self.thresholds_c(trip_c)[level - 1] - self._settings.hysteresis_c
