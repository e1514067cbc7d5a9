"""A chip's leakage, fitted to the idle power of its board at different temperatures.

P = floor + drift·(T - 45 °C) + reference·2^((T - 45 °C)/doubling), with a floor for each stretch.
The drift is the additional power of regulators and the rest of the board as they warm. Over some
25 K the curve of leakage is nearly straight, so that mostly the prior of the drift tells drift and
leakage apart; the intervals show what remains open. After QEIL v2, our method; the priors are
assumptions of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from edge_rt.thermal.idle import Stretch
from edge_rt.thermal.leakage import DOUBLING_C, REFERENCE_C, IdleTable, Leakage, table_of
from edge_rt.thermal.leakage_posterior import Beliefs, Interval, LeakagePosterior, posterior

ENOUGH = 0.16  # relative half width of growth's 95 % interval, up to which leakage is measured
_VAGUE = 0.5  # the same, beyond which readings are not used at all
SPAN_C = 17.0  # least range of one stretch: a shorter curve is nearly a straight line
FEWEST = 8  # cells, the least from which the noise can be estimated
_SHARE = 0.1  # leakage at 45 °C over idle power, where the profile does not state it
_REFERENCE_SPREAD, _DOUBLING_SPREAD = 0.8, 0.22  # deviations of logarithms; doublings: 13 to 31 K
_DRIFT, _DRIFT_SPREAD = 2e-3, 2.2e-3  # W/K of a board that draws up to `_DRIFT_IDLE_W` idle
_DRIFT_IDLE_W = 6.0  # above, the drift grows in proportion
_STRANGE = 2.5  # deviations of the drift from its prior, beyond which the model does not fit
# Figures that a state file may hold: K, W/K and W.
_POSSIBLE_DOUBLINGS_C, _POSSIBLE_DRIFTS, _POSSIBLE_W = (2.0, 200.0), (-10.0, 10.0), 1e3

Source = Literal["measured", "assumed"]


@dataclass(frozen=True)
class LeakagePrior:
    """Assumptions about an idle board: its power, and its chip's leakage at 45 °C."""

    idle_w: float = 3.0
    reference_w: float | None = None  # None: a tenth of the idle power

    @property
    def beliefs(self) -> Beliefs:
        """The prior of each figure, with its deviation."""
        scale = max(1.0, self.idle_w / _DRIFT_IDLE_W)
        return Beliefs(
            self.reference_w or _SHARE * self.idle_w,
            _REFERENCE_SPREAD,
            DOUBLING_C,
            _DOUBLING_SPREAD,
            scale * _DRIFT,
            scale * _DRIFT_SPREAD,
        )


@dataclass(frozen=True)
class LeakageFit:
    """A chip's leakage at the voltage of an idle core, and how well it is known.

    An `assumed` leakage has the default doubling, and the reference that fits the readings best
    with it, or the profile's if there are none. `growth_w` is the leakage at 70 °C less that at
    45 °C.
    """

    leakage: Leakage
    floor_w: float  # idle power without leakage, at 45 °C
    drift_w_per_c: float  # growth of the idle power without leakage
    source: Source
    growth_w: Interval
    doubling_c: Interval
    span_c: float  # of the longest stretch
    missing: str | None = None  # why it is not measured

    @property
    def possible(self) -> bool:
        """Whether a chip can leak like that; a damaged file may hold anything."""
        leakage, doublings, drifts = self.leakage, _POSSIBLE_DOUBLINGS_C, _POSSIBLE_DRIFTS
        return (
            doublings[0] <= leakage.doubling_c <= doublings[1]
            and 0.0 <= leakage.reference_w <= _POSSIBLE_W
            and leakage.reference_c == REFERENCE_C
            and 0.0 <= self.floor_w <= _POSSIBLE_W
            and drifts[0] <= self.drift_w_per_c <= drifts[1]
        )

    def other_w(self, temp_c: float) -> float:
        """Idle power at `temp_c` without leakage."""
        return self.floor_w + self.drift_w_per_c * (temp_c - REFERENCE_C)


def fit_leakage(stretches: Sequence[Stretch], prior: LeakagePrior, now: float) -> LeakageFit:
    """Fit leakage to idle stretches, or assume it if they do not suffice; `now` in Unix seconds."""
    table = table_of(stretches, now)
    if len(table.points) < FEWEST:
        return _assumed(IdleTable(), prior, _few(stretches))
    found = posterior(table, prior.beliefs)
    if found.strange > _STRANGE or found.edge:
        return _assumed(
            IdleTable(), prior, "idle power does not follow the temperature as leakage does"
        )
    if found.growth_w.half > ENOUGH or table.span_c < SPAN_C:
        some = found.growth_w.half <= _VAGUE and table.span_c >= SPAN_C
        return _assumed(table if some else IdleTable(), prior, _vague(found, table))
    return _fit(found, table, prior)


def _assumed(table: IdleTable, prior: LeakagePrior, missing: str) -> LeakageFit:
    """A fit with the default doubling, and the intervals that `table` leaves."""
    found = posterior(table, prior.beliefs)
    usual = posterior(table, replace(prior.beliefs, doubling_spread=0.0))
    assumed = replace(
        usual,
        growth_w=_around(found.growth_w, usual.growth_w.middle),
        doubling_c=_around(found.doubling_c, DOUBLING_C),
    )
    return replace(_fit(assumed, table, prior), source="assumed", missing=missing)


def _fit(found: LeakagePosterior, table: IdleTable, prior: LeakagePrior) -> LeakageFit:
    leakage, drift = found.leakage, found.drift_w_per_c
    newest = table.stretches[-1] if table.stretches else []
    floors = [
        p.power_w - drift * (p.temp_c - REFERENCE_C) - leakage.power_w(p.temp_c) for p in newest
    ]
    floor_w = fmean(floors) if floors else prior.idle_w - leakage.reference_w
    return LeakageFit(
        leakage,
        max(0.0, floor_w),
        drift,
        "measured",
        found.growth_w,
        found.doubling_c,
        table.span_c,
    )


def _around(found: Interval, middle: float) -> Interval:
    return Interval(min(found.low, middle), middle, max(found.high, middle))


def _few(stretches: Sequence[Stretch]) -> str:
    if not stretches:
        return "the board was not idle at different temperatures yet"
    cells = sum(len(stretch.cells) for stretch in stretches)
    return f"idle power is known at {cells} temperatures, {FEWEST} are needed"


def _vague(found: LeakagePosterior, table: IdleTable) -> str:
    if table.span_c < SPAN_C:
        return (
            f"no rest went over more than {table.span_c:.0f} K, and {SPAN_C:.0f} K are needed:"
            " a longer rest after longer work tells more"
        )
    return (
        f"idle power over {table.span_c:.0f} K leaves that open by"
        f" {100 * found.growth_w.half:.0f} %, as other losses grow with the temperature too:"
        " a longer rest after longer work tells more"
    )
