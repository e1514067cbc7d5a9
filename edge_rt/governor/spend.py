"""The energy of an hour or a day, as watts that may be drawn now."""

from __future__ import annotations

from dataclasses import dataclass

from edge_rt.governor.budget import PERIOD_S, Budget

_HEAD_START = 0.1  # of the period's energy may be spent ahead of time
_SPREAD_S = 300.0  # over which savings are spent


@dataclass(frozen=True)
class Spend:
    """`power_w` may be drawn; with nothing `left` the engine must wait for the next period."""

    power_w: float
    left_j: float  # beyond what the board needs idle until the period ends
    period_left_s: float


def spend(
    budget: Budget, supply_j: float | None, period_left_s: float | None, idle_w: float
) -> Spend | None:
    """What the budget's energy allows; None where it has none or the counter cannot be read.

    Energy may be used up evenly over the period, with a head start, so that a busy morning leaves
    something for the evening: what was saved so far is spread over some minutes on top of the
    even share of what is left.
    """
    if budget.energy_j is None or supply_j is None or period_left_s is None:
        return None
    period_s = PERIOD_S[budget.energy_period]
    left_s = min(max(period_left_s, 1.0), period_s)
    left_j = budget.energy_j - supply_j
    gone = 1.0 - left_s / period_s
    line_j = budget.energy_j * (_HEAD_START + (1.0 - _HEAD_START) * gone)
    saved_j = min(max(0.0, line_j - supply_j), left_j)
    power_w = max(0.0, left_j / left_s + saved_j / min(_SPREAD_S, left_s))
    return Spend(power_w, left_j - idle_w * left_s, left_s)
