"""What the user allows, what was spent of it, and the bounds on watts that follow."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import msgspec
from msgspec import UNSET

from edge_rt.config.schema import BudgetConfig
from edge_rt.core.limits import BoundBy
from edge_rt.core.reports.governor import BudgetChange, Period
from edge_rt.governor.policy.heat_allowance import cools_in_s
from edge_rt.thermal.model import ThermalModel

PERIOD_S: dict[Period, float] = {"hour": 3600.0, "day": 86400.0}


_LEAP_S = 60.0  # no two calls of `add` are so far apart unless somebody set the clock
_HEAD_START = 0.1  # of the energy beyond idling may be spent ahead of time
_SPREAD_S = 300.0  # over which savings are spent
_UNKNOWN_S = 15.0  # where nobody can tell
_CAPPED_S = 60.0  # under a cap on power, which only changes if somebody changes it
_LEAST_S = 1.0
_COOL_C = 3.0  # below a limit there is room for a request
_LATE_S = 0.6  # delay of readings, from which on it is told
_FAST_S = 0.5  # between two readings, with which windows of a second can be kept
_READINGS = 5  # of a slower sensor that a window must hold


class PastEnergy(Protocol):
    """The supply's joules by hour and by day since 1970."""

    @property
    def stored(self) -> bool:
        """Whether they outlive the daemon."""
        ...

    def hour_j(self, number: int) -> float:
        """Return the joules of an hour."""
        ...

    def day_j(self, number: int) -> float:
        """Return the joules of a day."""
        ...


class EnergySpent:
    """The joules of the present hour and day; the ledger has those of before the start.

    Where the clock is set into another hour or day, that one's joules are recalled as well.
    """

    def __init__(self, book: PastEnergy, wall: Callable[[], float] = time.time) -> None:
        """`wall` gives Unix seconds."""
        self._book, self._wall = book, wall
        self._energies_j: dict[Period, float] = {"hour": 0.0, "day": 0.0}
        self._added_s = wall()
        self._numbers = {period: _number(period, self._added_s) for period in PERIOD_S}
        self._torn: set[Period] = set(PERIOD_S)  # of which the beginning is not known

    def add(self, energy_j: float) -> None:
        """Take what was drawn since the last call."""
        now, before = self._wall(), self._added_s
        self._added_s = now
        for period in PERIOD_S:
            number = _number(period, now)
            if number != self._numbers[period]:
                self._numbers[period], self._energies_j[period] = number, 0.0
                seen_begin = 0.0 <= now - before < _LEAP_S
                (self._torn.discard if seen_begin else self._torn.add)(period)
            self._energies_j[period] += energy_j

    def energy_j(self, period: Period) -> float:
        """Return joules of the present hour or day so far."""
        return self._energies_j[period]

    def left_s(self, period: Period) -> float:
        """Return seconds until it is over."""
        return PERIOD_S[period] - self._wall() % PERIOD_S[period]

    async def recall(self) -> None:
        """Read from the ledger what was drawn before the daemon started or the clock was set."""
        for period, find in (("day", self._book.day_j), ("hour", self._book.hour_j)):
            number = self._numbers[period]
            if period in self._torn:
                found_j = await asyncio.to_thread(find, number)
                if period in self._torn and number == self._numbers[period]:
                    # The ledger has what was added here since, too.
                    self._energies_j[period] = max(self._energies_j[period], found_j)
                    if self._book.stored:
                        self._torn.discard(period)


def _number(period: Period, unix_s: float) -> int:
    return math.floor(unix_s / PERIOD_S[period])


@dataclass(frozen=True)
class Spend:
    """`power_w` may be drawn now."""

    power_w: float
    left_j: float  # of the budget, below 0 where it is overspent
    period_left_s: float


def spend(
    budget: BudgetConfig, supply_j: float | None, period_left_s: float | None, idle_w: float
) -> Spend | None:
    """Return the power that the energy budget allows.

    None: there is none, or no counter can be read.

    The joules that an idle board leaves are spread evenly over the period, with a head start, so
    that a busy morning leaves some for the evening: savings so far are spread over some minutes,
    on top of the even share of the joules that are left.
    """
    if budget.energy_j is None or supply_j is None or period_left_s is None:
        return None
    period_s = PERIOD_S[budget.energy_period]
    left_s = min(max(period_left_s, 1.0), period_s)
    left_j = budget.energy_j - supply_j
    gone = 1.0 - left_s / period_s
    spare_j = max(0.0, budget.energy_j - idle_w * period_s)
    line_j = idle_w * gone * period_s + spare_j * (_HEAD_START + (1.0 - _HEAD_START) * gone)
    saved_j = min(max(0.0, line_j - supply_j), max(0.0, left_j - idle_w * left_s))
    power_w = max(0.0, left_j / left_s + saved_j / min(_SPREAD_S, left_s))
    return Spend(power_w, left_j, left_s)


def affords_in_s(known: Spend, idle_w: float, needed_w: float) -> float:
    """Return seconds until an idle board has saved enough to draw `needed_w` until the period ends.

    At the latest the next period pays.
    """
    if needed_w <= idle_w:
        return known.period_left_s
    short_j = needed_w * known.period_left_s - known.left_j
    return min(max(0.0, short_j / (needed_w - idle_w)), known.period_left_s)


@dataclass(frozen=True)
class PowerBounds:
    """What each constraint allows by itself, in watts, and what two of them come from."""

    allowances_w: dict[BoundBy, float]
    energy: Spend | None
    limit_c: float | None  # to stay below
    steady_w: float | None = None  # what the power cap allows an engine that makes no pauses
    likely_w: float | None = None  # what it allows if the model of the power is right

    @property
    def by(self) -> BoundBy | None:
        """The constraint that allows least; None: there is none."""
        return min(self.allowances_w, key=lambda name: self.allowances_w[name], default=None)

    @property
    def aim_w(self) -> float | None:
        """The most that the board may draw now; None: as much as it takes."""
        return self._aim_w(None)

    @property
    def whole_w(self) -> float | None:
        """The most that the board may draw with an engine that makes no pauses."""
        return self._aim_w(self.steady_w)

    @property
    def hoped_w(self) -> float | None:
        """The most that the board may draw once the model of its power has proved right."""
        return self._aim_w(self.likely_w)

    def _aim_w(self, capped_w: float | None) -> float | None:
        allowed = {**self.allowances_w}
        if capped_w is not None:
            allowed["power_w"] = capped_w
        return min(allowed.values(), default=None)


def retry_after_s(
    bounds: PowerBounds,
    thermal: ThermalModel | None,
    leaves_c: float | None,
    idle_w: float,
    needed_w: float,
) -> float:
    """Return an estimate for requests that are turned away by a board that rests until then.

    It has to cool below `leaves_c`, where the guard keeps it from work, or below what bounds it,
    or to have saved enough to draw `needed_w`.
    """
    found: float | None = None
    if leaves_c is not None:
        found = cools_in_s(thermal, idle_w, leaves_c)
    elif bounds.by == "energy_j" and bounds.energy is not None:
        found = affords_in_s(bounds.energy, idle_w, needed_w)
    elif bounds.by == "temp_c" and bounds.limit_c is not None:
        found = cools_in_s(thermal, idle_w, bounds.limit_c - _COOL_C)
    elif bounds.by == "power_w":
        found = _CAPPED_S
    return max(_LEAST_S, _UNKNOWN_S if found is None else found)


def changed(budget: BudgetConfig, change: BudgetChange) -> BudgetConfig:
    """Return `budget` with the fields that `change` sets."""
    fields = msgspec.structs.asdict(change)
    said = {name: value for name, value in fields.items() if value is not UNSET}
    return msgspec.structs.replace(budget, **said)


def late(budget: BudgetConfig, delay_s: float | None) -> str | None:
    """Return how late power is read, and for which windows a cap holds; None: it is not late."""
    if delay_s is None or delay_s <= _LATE_S:
        return None
    window_s = budget.power_window_s + 2.0 * delay_s
    told = f"The board's power is read {delay_s:.2g} s late"
    return f"{told}: a power budget holds for windows of {window_s:.3g} s"


def warnings(
    budget: BudgetConfig,
    idle_w: float | None,
    reading_s: float | None = None,
) -> Iterator[str]:
    """Yield a sentence for each cap that cannot be kept, or leaves nothing above what idling draws.

    `reading_s` are the seconds between two readings of the supply.
    """
    slow = "answers take very long or are refused. Raise it with: edge-rt budget"
    power_w, energy_j = budget.power_w, budget.energy_j
    if power_w is not None and reading_s is not None and reading_s > _FAST_S:
        window_s, least_s = budget.power_window_s, _READINGS * reading_s
        if window_s < least_s:
            cap = f"The power budget holds for windows of {window_s:.3g} s, and the board's power"
            remedy = f"lengthen them with: edge-rt budget --window {least_s:.3g}"
            yield f"{cap} is read every {reading_s:.3g} s: {remedy}"
    if idle_w is None:
        return
    if power_w is not None and power_w <= idle_w:
        cap = f"The power budget of {power_w:.3g} W is not above the {idle_w:.3g} W"
        yield f"{cap} that the board draws idle: {slow} --power WATTS"
    period_j = idle_w * PERIOD_S[budget.energy_period]
    if energy_j is not None and energy_j <= period_j:
        cap = f"The energy budget of {energy_j:.0f} J each {budget.energy_period} is not above"
        yield f"{cap} the {period_j:.0f} J that the board draws idle: {slow} --energy"
