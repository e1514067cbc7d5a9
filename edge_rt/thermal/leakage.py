"""Leakage, the power that a chip draws for being warm: its formula, and how it is learnt.

While a board rests, or works at a constant load, its power changes with its temperature T alone.
Each such stretch gives slopes dP/dT, from which differences have cancelled everything constant.

    dP/dT = drift + reference · ln(2)/doubling · 2^((T - 45 °C)/doubling)

The drift is the growth of the losses of regulators and memory, which readings hardly tell apart
from leakage: its prior decides, and the interval shows what remains open. At work the reference is
higher and the doubling is that at rest. After QEIL v2 (arXiv 2602.06057), our method; the priors
are assumptions of ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, linear_regression, median, pvariance
from typing import Literal, NamedTuple

from edge_rt.thermal.kalman import KalmanFilter

REFERENCE_C, WARM_C = 45.0, 70.0  # growth is that from the reference temperature to the other
DOUBLING_C = 20.0  # a subthreshold calculation over plausible chips gives 13 to 31 K
MEASURED = 0.25, 0.04  # half width of growth's interval: of the growth, or of the power at rest
_MOST_DOUBLINGS = 1000.0  # keeps absurd temperatures within what a float holds
_SHARE = 0.1  # leakage at 45 °C over the power at rest, where the profile does not state it
_REFERENCE_SPREAD = 2.0  # standard deviation of the reference, over its mean
_DOUBLING_SPREAD = 0.22  # standard deviation of the doubling's logarithm: 13 to 31 K
# Mean and deviation, per kelvin, of the power: 5 % is lost in resistance, which grows by 0.4 %.
_DRIFT = 2.5e-4, 2e-4
# Leakage at work over that at rest, and its relative deviation: the voltage is 1.2 to 1.7 times as
# high, and leakage follows about its square or cube.
_WORK, _WORK_SPREAD = 2.5, 0.45
_LOSS = 0.04  # of regulators, which only some supplies are measured before: 0 to 10 %
_MODEL = 0.05  # relative deviation of the growth, by that and as the doubling varies with T
_BENT = 0.1  # the same of the doubling: the board's drift lags behind the chip's temperature
_NORMAL = 1.96  # standard deviations on either side, of a 95 % interval
_ROUNDS = 4  # of the fit, each with slopes made linear about the figures of the one before
_NOISE = 0.002  # of the power: a slope's standard deviation times that of its temperatures, in K
_NOISE_SLOPES = 4.0  # slopes that this assumption counts for
_FEWEST_BLOCKS, _SPAN_C = 4, (2.0, 8.0)  # of a part of a stretch: least and most kelvins
_JUMP, _JUMPS = 0.002, 4.0  # a jump exceeds this share of the power and so many usual ones
_COARSE = 0.02  # of the power: larger steps of a sensor hide what leakage changes
_USUAL, _STEEP = 0.005, 0.03  # per kelvin, of the power: a usual slope, and the steepest

Source = Literal["measured", "assumed"]
# Places of the figures to learn: the references in W and the drifts, each at rest and at work, and
# the doubling's distance from the usual one in standard deviations.
_REFERENCES, _DRIFTS, _AWAY = (0, 1), (2, 3), 4


@dataclass(frozen=True)
class Leakage:
    """P(T) = ratio · reference_w · 2^((T - 45 °C) / doubling_c).

    `ratio` is the leakage at the chip's voltage over that at rest. After QEIL v2 (arXiv
    2602.06057), our formula; that leakage grows exponentially from 20 to 85 °C is measured in
    arXiv 1404.3381.
    """

    reference_w: float
    doubling_c: float = DOUBLING_C

    def power_w(self, temp_c: float, ratio: float = 1.0) -> float:
        """Return the watts at `temp_c`."""
        doublings = (temp_c - REFERENCE_C) / self.doubling_c
        return self.reference_w * ratio * 2.0 ** min(doublings, _MOST_DOUBLINGS)

    def slope_w_per_c(self, temp_c: float, ratio: float = 1.0) -> float:
        """Return the watts that one more degree costs at `temp_c`."""
        return self.power_w(temp_c, ratio) * math.log(2.0) / self.doubling_c

    @property
    def growth_w(self) -> float:
        """Watts at 70 °C less those at 45 °C."""
        return self.power_w(WARM_C) - self.reference_w


def phi(leakage: Leakage, dynamic_w: float, temp_c: float, ratio: float = 1.0) -> float:
    """Return the thermal yield: the share of the chip's power that does switching work, 0 to 1.

    Phi(T) = dynamic_w / (dynamic_w + leakage). QEIL v2 names the yield; the formula is ours,
    after it. 0 where nothing is switched.
    """
    if dynamic_w <= 0.0:
        return 0.0
    return dynamic_w / (dynamic_w + leakage.power_w(temp_c, ratio))


def critical_c(leakage: Leakage, resistance_c_per_w: float, ratio: float = 1.0) -> float:
    """Return the temperature from which on R·dP/dT >= 1: each degree heats the chip by another one.

    T = ambient + R·(other + leakage(T)) has up to two solutions, since leakage is convex; the one
    below this temperature is stable. Ours, after QEIL v2 (arXiv 2602.06057).

    Infinity where there is no leakage or no resistance.
    """
    gain = resistance_c_per_w * leakage.slope_w_per_c(REFERENCE_C, ratio)
    if gain <= 0.0:
        return math.inf
    return REFERENCE_C - leakage.doubling_c * math.log2(gain)


class Block(NamedTuple):
    """Mean temperature and power of about ten seconds."""

    temp_c: float
    power_w: float


class Slope(NamedTuple):
    """The growth of power with temperature, from a part of a stretch."""

    temp_c: float  # where it holds
    w_per_c: float
    variance_c2: float  # of the temperatures: the slope's weight
    power_w: float  # mean
    at_work: bool

    @property
    def possible(self) -> bool:
        """Whether a board can have shown it; a damaged file may hold anything."""
        steep_w = _STEEP * self.power_w
        likely = -60.0 < self.temp_c < 200.0 and 0.0 < self.power_w < 1e4
        return likely and abs(self.w_per_c) <= steep_w and 0.0 < self.variance_c2 < 1e4


def slopes_of(blocks: Sequence[Block], at_work: bool = False, step_w: float = 0.0) -> list[Slope]:
    """Return the slopes of one stretch, which is cut where something unseen begins or ends.

    A step of the coarsest sensor, `step_w`, is no such jump: mostly two blocks share it.
    """
    if len(blocks) < _FEWEST_BLOCKS:
        return []
    mean_w = fmean(b.power_w for b in blocks)
    jumps_w = [_jump_w(a, b, _USUAL * mean_w) for a, b in pairwise(blocks)]
    most_w = _JUMP * mean_w + _JUMPS * median(jumps_w) + 0.5 * step_w
    found = (_slope(part, at_work) for part in _parts(blocks, jumps_w, most_w))
    return [slope for slope in found if slope is not None and slope.possible]


def _jump_w(before: Block, after: Block, usual: float) -> float:
    """Return how far power has moved beyond what slopes from 0 to twice the usual one explain."""
    moved_w = usual * (after.temp_c - before.temp_c)
    return max(0.0, abs(after.power_w - before.power_w - moved_w) - abs(moved_w))


def _parts(
    blocks: Sequence[Block], jumps_w: Sequence[float], most_w: float
) -> Iterator[Sequence[Block]]:
    """Cut at jumps, and where the temperature has moved so far that the slope differs."""
    begin = 0
    for end, jump_w in enumerate(jumps_w, 1):
        moved_c = abs(blocks[end].temp_c - blocks[begin].temp_c)
        if jump_w > most_w or moved_c > _SPAN_C[1]:
            yield blocks[begin:end]
            begin = end
    yield blocks[begin:]


def _slope(part: Sequence[Block], at_work: bool) -> Slope | None:
    """Return the least-squares slope, and the temperature at which a parabola has it."""
    temps, powers = [b.temp_c for b in part], [b.power_w for b in part]
    if len(part) < _FEWEST_BLOCKS or max(temps) - min(temps) < _SPAN_C[0]:
        return None
    middle_c, variance_c2 = fmean(temps), pvariance(temps)
    skew_c = fmean((temp_c - middle_c) ** 3 for temp_c in temps) / (2.0 * variance_c2)
    slope = linear_regression(temps, powers).slope
    return Slope(middle_c + skew_c, slope, variance_c2, fmean(powers), at_work)


class Interval(NamedTuple):
    """A figure and the ends of its 95 % interval."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class LeakagePrior:
    """Assumptions about a board at rest: its power, and its chip's leakage at 45 °C."""

    idle_w: float = 3.0
    reference_w: float | None = None  # None: a tenth of the power at rest
    step_w: float = 0.0  # of the coarsest sensor in the power; 0: fine, or not known


@dataclass(frozen=True)
class LeakageFit:
    """A chip's leakage at the voltage of an idle core, and how well it is known.

    `growth_w` is the leakage at 70 °C less that at 45 °C.
    """

    leakage: Leakage
    floor_w: float  # power at rest without leakage, at 45 °C
    drift_w_per_c: float  # growth of the power at rest without leakage
    source: Source
    growth_w: Interval
    doubling_c: Interval
    work_ratio: float  # leakage at work over that at rest
    seen_c: tuple[float, float] | None = None  # temperatures of the slopes; None: there are none
    missing: str | None = None  # why it is not measured

    def other_w(self, temp_c: float) -> float:
        """Return the power at rest without leakage at `temp_c`."""
        return self.floor_w + self.drift_w_per_c * (temp_c - REFERENCE_C)


def fit_leakage(slopes: Iterable[Slope], prior: LeakagePrior) -> LeakageFit:
    """Fit leakage to the slopes of rests and of constant work; the newest come last."""
    seen = list(slopes)
    idle_w = median([s.power_w for s in seen if not s.at_work] or [prior.idle_w])
    slopes = [s for s in seen if prior.step_w <= _COARSE * s.power_w]
    belief = _posterior(slopes, prior.reference_w or _SHARE * idle_w, idle_w)
    rest_w, work_w, drift, _, away = belief.mean
    doubling_c = _doubling_c(away)
    unit_w, doublings = Leakage(1.0, doubling_c).growth_w, (WARM_C - REFERENCE_C) / doubling_c
    turn = -_DOUBLING_SPREAD * rest_w * math.log(2.0) * doublings * 2.0**doublings
    grown_w, open_w = rest_w * unit_w, belief.deviation({_REFERENCES[0]: unit_w, _AWAY: turn})
    half_w = _NORMAL * math.hypot(_MODEL * grown_w, open_w)
    if grown_w + half_w <= 0.0:
        strange = "its power does not grow with the temperature as leakage does"
        return replace(fit_leakage((), replace(prior, idle_w=idle_w)), missing=strange)
    missing = _missing(len(slopes), grown_w, half_w, idle_w)
    if seen and not slopes:
        missing = f"the sensor's steps of {prior.step_w:.2g} W hide it"
    bent = math.hypot(_BENT, _DOUBLING_SPREAD * belief.deviation({_AWAY: 1.0}))
    leakage, temps = Leakage(max(0.0, rest_w), doubling_c), [s.temp_c for s in slopes]
    rests = [(s.temp_c, s.power_w) for s in slopes if not s.at_work]
    at_c, power_w = rests[-1] if rests else (REFERENCE_C, idle_w)
    return LeakageFit(
        leakage,
        max(0.0, power_w - leakage.power_w(at_c) - drift * (at_c - REFERENCE_C)),
        drift,
        "assumed" if missing else "measured",
        Interval(max(0.0, grown_w - half_w), max(0.0, grown_w), grown_w + half_w),
        Interval(*(doubling_c * math.exp(side * bent) for side in (-_NORMAL, 0.0, _NORMAL))),
        max(1.0, work_w / rest_w) if rest_w > 0.0 and len(rests) < len(slopes) else _WORK,
        (min(temps), max(temps)) if temps else None,
        missing,
    )


def _doubling_c(away: float) -> float:
    return DOUBLING_C * math.exp(_DOUBLING_SPREAD * away)


def _posterior(slopes: Sequence[Slope], reference_w: float, idle_w: float) -> KalmanFilter:
    """Return the posterior of the figures by Gauss-Newton iterations over the slopes."""
    powers_w = [median([s.power_w for s in slopes if s.at_work == k] or [idle_w]) for k in (0, 1)]
    drifts, spreads = ([figure * power_w for power_w in powers_w] for figure in _DRIFT)
    noises_w2 = [_noise_w2([s for s in slopes if s.at_work == k], drifts[k]) for k in (0, 1)]
    mean = [reference_w, _WORK * reference_w, *drifts, 0.0]
    belief, variance = None, (_REFERENCE_SPREAD * reference_w) ** 2
    for _ in range(_ROUNDS):
        about = mean if belief is None else belief.mean
        covariance = [[0.0] * 5 for _ in range(5)]
        for place, spread in zip((*_DRIFTS, _AWAY), (*spreads, 1.0), strict=True):
            covariance[place][place] = spread**2
        own = (_WORK_SPREAD * max(0.0, about[1]) / _WORK) ** 2
        covariance[0][:2] = variance + own, _WORK * variance
        covariance[1][:2] = _WORK * variance, _WORK**2 * variance
        belief = KalmanFilter(mean, covariance)
        doubling_c = _doubling_c(about[_AWAY])
        unit = Leakage(1.0 + _LOSS, doubling_c)
        for slope in slopes:
            shape, place = unit.slope_w_per_c(slope.temp_c), _REFERENCES[slope.at_work]
            bend = 1.0 + math.log(2.0) * (slope.temp_c - REFERENCE_C) / doubling_c
            turn = -_DOUBLING_SPREAD * max(0.0, about[place]) * shape * bend
            weights = {place: shape, _DRIFTS[slope.at_work]: 1.0, _AWAY: turn}
            value = slope.w_per_c + turn * about[_AWAY]
            belief.correct(weights, value, noises_w2[slope.at_work] / slope.variance_c2)
    assert belief is not None
    return belief


def _noise_w2(slopes: Sequence[Slope], drift: float) -> float:
    """Return a slope's variance times that of its temperatures.

    An assumption that counts for a few slopes, and the scatter about the usual curve.
    """
    if not slopes:
        return 1.0
    unit = Leakage(1.0, DOUBLING_C)
    weights, shapes = zip(
        *((s.variance_c2, unit.slope_w_per_c(s.temp_c)) for s in slopes), strict=True
    )
    above = [s.w_per_c - drift for s in slopes]
    usual_w = _dot(weights, shapes, above) / _dot(weights, shapes, shapes)
    misses = [y - usual_w * x for x, y in zip(shapes, above, strict=True)]
    assumed = _NOISE_SLOPES * (_NOISE * fmean(s.power_w for s in slopes)) ** 2
    return (assumed + _dot(weights, misses, misses)) / (_NOISE_SLOPES + len(misses) - 1.0)


def _missing(slopes: int, grown_w: float, half_w: float, idle_w: float) -> str | None:
    """Return why leakage is not measured; None where it is."""
    if not slopes:
        return "power has not been seen at different temperatures yet"
    if half_w <= max(MEASURED[0] * grown_w, MEASURED[1] * idle_w):
        return None
    return (
        f"{slopes} stretches at rest or constant work leave its growth open by {half_w:.2g} W:"
        " more of them, or longer ones, tell more"
    )


def _dot(*columns: Sequence[float]) -> float:
    return math.fsum(map(math.prod, zip(*columns, strict=True)))
