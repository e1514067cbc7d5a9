"""How much a chip leaks, from what its board draws idle at different temperatures.

P = floor + drift·(T - 45 °C) + reference·2^((T - 45 °C)/doubling), with a floor of each stretch.
The drift is what regulators and the rest of the board draw more as they warm. Over some 25 K
leakage bends little, so that mostly what is believed of the drift beforehand tells the two apart;
what remains open is in the intervals. After QEIL v2, our method; what is believed beforehand are
assumptions of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from edge_rt.thermal.idle import Stretch
from edge_rt.thermal.leakage import DOUBLING_C, REFERENCE_C, Leakage
from edge_rt.thermal.posterior import Beliefs, Interval, Outcome, posterior
from edge_rt.thermal.table import Table, table_of

ENOUGH = 0.16  # half width of the 95 % interval of growth, relative: it is measured
_VAGUE = 0.5  # and that beyond which readings are not used at all
SPAN_C = 17.0  # of one stretch, below which the curve looks too much like a straight line
FEWEST = 8  # cells, below which no noise can be told
_SHARE = 0.1  # of what a board draws idle is leaked, where its profile does not tell
_REFERENCE_SPREAD, _DOUBLING_SPREAD = 0.8, 0.22  # of logarithms; doublings: 13 to 31 K
_DRIFT, _DRIFT_SPREAD = 2e-3, 2.2e-3  # W/K of a board that draws up to `_DRIFT_IDLE_W` idle
_DRIFT_IDLE_W = 6.0
_STRANGE = 2.5  # standard deviations that the drift may be off before something else is wrong
_POSSIBLE_DOUBLINGS_C, _POSSIBLE_DRIFTS, _POSSIBLE_W = (2.0, 200.0), (-10.0, 10.0), 1e3

Source = Literal["measured", "assumed"]


@dataclass(frozen=True)
class LeakagePrior:
    """What is assumed of an idle board: its draw, and what its chip leaks of that at 45 °C."""

    idle_w: float = 3.0
    reference_w: float | None = None  # None: a tenth of the draw

    @property
    def beliefs(self) -> Beliefs:
        """How much is assumed of each figure, and how wrong that may be."""
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

    `assumed`: with the default doubling, and the reference that fits readings best with that, or
    the profile's where there are none. `growth_w` is what leakage grows by from 45 to 70 °C.
    """

    leakage: Leakage
    floor_w: float  # what the board draws idle beside leakage, at 45 °C
    drift_w_per_c: float  # what that grows by
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
        """What the board draws idle at `temp_c` beside leakage."""
        return self.floor_w + self.drift_w_per_c * (temp_c - REFERENCE_C)


def fit_leakage(stretches: Sequence[Stretch], prior: LeakagePrior, now: float) -> LeakageFit:
    """The leakage that idle stretches tell, as far as they do; `now` is in Unix seconds."""
    table = table_of(stretches, now)
    if len(table.points) < FEWEST:
        return _assumed(Table(), prior, _few(stretches))
    found = posterior(table, prior.beliefs)
    if found.strange > _STRANGE or found.edge:
        return _assumed(
            Table(), prior, "idle power does not follow the temperature as leakage does"
        )
    if found.growth_w.half > ENOUGH or table.span_c < SPAN_C:
        some = found.growth_w.half <= _VAGUE and table.span_c >= SPAN_C
        return _assumed(table if some else Table(), prior, _vague(found, table))
    return _fit(found, table, prior)


def _assumed(table: Table, prior: LeakagePrior, missing: str) -> LeakageFit:
    """With the default doubling, and intervals as `table` leaves them."""
    found = posterior(table, prior.beliefs)
    usual = posterior(table, replace(prior.beliefs, doubling_spread=0.0))
    assumed = replace(
        usual,
        growth_w=_around(found.growth_w, usual.growth_w.middle),
        doubling_c=_around(found.doubling_c, DOUBLING_C),
    )
    return replace(_fit(assumed, table, prior), source="assumed", missing=missing)


def _fit(found: Outcome, table: Table, prior: LeakagePrior) -> LeakageFit:
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


def _vague(found: Outcome, table: Table) -> str:
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
