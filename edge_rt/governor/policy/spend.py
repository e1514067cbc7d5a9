"""The energy of an hour or a day, as watts that may be drawn now."""

from __future__ import annotations

from dataclasses import dataclass

from edge_rt.governor.budget import PERIOD_S, Budget

_HEAD_START = 0.1  # of the energy beyond idling may be spent ahead of time
_SPREAD_S = 300.0  # over which savings are spent


@dataclass(frozen=True)
class Spend:
    """`power_w` may be drawn now."""

    power_w: float
    left_j: float  # of the budget, below 0 where it is overspent
    period_left_s: float


def spend(
    budget: Budget, supply_j: float | None, period_left_s: float | None, idle_w: float
) -> Spend | None:
    """What the budget's energy allows; None where it has none or the counter cannot be read.

    What an idle board leaves of it may be used up evenly over the period, with a head start, so
    that a busy morning leaves something for the evening: what was saved so far is spread over
    some minutes on top of the even share of what is left.
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
    """Seconds until an idle board has saved enough to draw `needed_w` until the period ends.

    At the latest the next period pays.
    """
    if needed_w <= idle_w:
        return known.period_left_s
    short_j = needed_w * known.period_left_s - known.left_j
    return min(max(0.0, short_j / (needed_w - idle_w)), known.period_left_s)
