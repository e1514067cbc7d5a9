"""How much a chip leaks, from its idle power while it cools."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from edge_rt.thermal.curve import (
    DOUBLING_HIGH_C,
    DOUBLING_LOW_C,
    Curve,
    Idle,
    Point,
    best_curve,
    doubling_interval,
    r_squared,
)
from edge_rt.thermal.leakage import Leakage

SPAN_C = 15.0  # below it the curve looks too much like a straight line
FEWEST = 12  # bins
R2_LEAST = 0.8
_BIN_C = 0.5
_HALF_WEIGHT = 2.0  # readings that a bin needs to count for half
_ROUNDS = 6
_FAR = 4.0  # standard deviations from which on a reading is not the idle board's
_TO_DEVIATION = 1.4826  # of the median absolute miss, for a normal distribution
_EDGE = 1.01
_TINY_W = 1e-9  # rounding


@dataclass(frozen=True)
class LeakageFit:
    """A chip's leakage, at the voltage that an idle core has, and how well it is known."""

    leakage: Leakage
    floor_w: float  # what the board draws beside leakage
    r2: float
    doubling_low_c: float  # of a 95 % interval
    doubling_high_c: float
    span_c: float
    samples: int  # that were used; bursts of other programs are not


@dataclass(frozen=True)
class Rejected:
    """Why readings do not tell the leakage, for people. What was believed before still holds."""

    reason: str


def calibrate(samples: Iterable[Idle]) -> LeakageFit | Rejected:
    """The leakage that fits idle readings, in any order, of a board that cools.

    Leave out the first three seconds after the load, when the chip cools faster than its sensor
    tells; hold the fan still while it warms, or the span may not suffice. Each half degree counts
    about alike, however long the board stayed there, so that the steps of the sensors average
    out. After QEIL v2, our method.
    """
    known = sorted(s for s in samples if s.possible)
    return _unfit(known) or _fit(known)


def bin_of(temp_c: float) -> int:
    """The half degree that a reading belongs to."""
    return math.floor(temp_c / _BIN_C)


def _unfit(samples: Sequence[Idle]) -> Rejected | None:
    if not samples:
        return Rejected("there are no readings of idle power")
    span_c = samples[-1].temp_c - samples[0].temp_c
    if span_c < SPAN_C:
        return Rejected(
            f"the temperature changed by {span_c:.1f} K, which tells too little:"
            f" warm the board under load to {SPAN_C:.0f} K above where it rests"
        )
    bins = len({bin_of(sample.temp_c) for sample in samples})
    if bins < FEWEST:
        return Rejected(
            f"there are readings at {bins} temperatures, {FEWEST} are needed:"
            " read more often while the board cools"
        )
    return None


def _fit(samples: Sequence[Idle]) -> LeakageFit | Rejected:
    kept, points, curve = _settle(samples)
    unfit = _unfit(kept)
    if unfit is not None:
        return unfit
    doubling_c, r2 = curve.leakage.doubling_c, r_squared(curve, points)
    if curve.leakage.reference_w <= 0.0:
        return Rejected("power does not fall as the board cools: it was not idle")
    if r2 < R2_LEAST:
        return Rejected(f"power hardly follows temperature (R² {r2:.2f}): was the board idle?")
    if not DOUBLING_LOW_C * _EDGE < doubling_c < DOUBLING_HIGH_C / _EDGE:
        return Rejected(
            "the best doubling of leakage is not within"
            f" {DOUBLING_LOW_C:.0f} to {DOUBLING_HIGH_C:.0f} K: was the board idle?"
        )
    span_c = kept[-1].temp_c - kept[0].temp_c
    interval = doubling_interval(curve, points)
    return LeakageFit(curve.leakage, curve.floor_w, r2, *interval, span_c, len(kept))


def _settle(samples: Sequence[Idle]) -> tuple[Sequence[Idle], Sequence[Point], Curve]:
    """Fit, leave out what lies far off, and fit again, until that changes nothing."""
    points = _binned(samples, median)
    curve = _rough(points)
    kept: Sequence[Idle] = ()
    for _ in range(_ROUNDS):
        near = _near(samples, curve)
        if near == kept:
            break
        kept, points = near, _binned(near, fmean)
        curve = best_curve(points)
    return kept, points, curve


def _rough(points: Sequence[Point]) -> Curve:
    """A curve that a few wild points hardly bend: the more they miss, the less they count."""
    curve = best_curve(points)
    for _ in range(_ROUNDS):
        misses = [curve.miss_w(point) for point in points]
        usual_w = median(map(abs, misses)) + _TINY_W
        curve = best_curve(
            [
                replace(p, weight=p.weight * usual_w / max(usual_w, abs(miss)))
                for p, miss in zip(points, misses, strict=True)
            ]
        )
    return curve


def _near(samples: Sequence[Idle], curve: Curve) -> Sequence[Idle]:
    misses = [abs(curve.miss_w(sample)) for sample in samples]
    bins: dict[int, list[float]] = {}
    for sample, miss in zip(samples, misses, strict=True):
        bins.setdefault(bin_of(sample.temp_c), []).append(miss)
    usual_w = _TO_DEVIATION * median(map(median, bins.values()))
    most_w = max(_FAR * usual_w, median(misses)) + _TINY_W
    return tuple(s for s, miss in zip(samples, misses, strict=True) if miss <= most_w)


def _binned(samples: Sequence[Idle], middle: Callable[[list[float]], float]) -> list[Point]:
    """One point for each half degree, coldest first."""
    bins: dict[int, list[Idle]] = {}
    for sample in samples:
        bins.setdefault(bin_of(sample.temp_c), []).append(sample)
    return [
        Point(
            middle([s.temp_c for s in each]),
            middle([s.power_w for s in each]),
            middle([s.voltage for s in each]),
            len(each) / (len(each) + _HALF_WEIGHT),
        )
        for _, each in sorted(bins.items())
    ]
