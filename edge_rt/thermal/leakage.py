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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, linear_regression, median, pvariance
from typing import Literal, NamedTuple

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
_GRID = tuple(0.25 * step for step in range(-12, 13))  # standard deviations of the doubling
_NOISE = 0.002  # of the power: a slope's standard deviation times that of its temperatures, in K
_NOISE_SLOPES = 4.0  # slopes that this assumption counts for
_FEWEST_BLOCKS, _SPAN_C = 4, (2.0, 8.0)  # of a part of a stretch: least and most kelvins
_JUMP, _JUMPS = 0.002, 4.0  # a jump exceeds this share of the power and so many usual ones
_USUAL, _STEEP = 0.005, 0.03  # per kelvin, of the power: a usual slope, and the steepest
_COARSE = 0.02  # of the power: larger steps of a sensor hide what leakage changes

Source = Literal["measured", "assumed"]


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


class _Normal(NamedTuple):
    mean: float
    deviation: float


class _Doubling(NamedTuple):
    """What slopes say, given a doubling."""

    doubling_c: float
    evidence: float  # logarithm of its probability, up to a constant
    rest_w: _Normal  # references
    work_w: _Normal
    drift: float  # at rest

    def away_w2(self, grown_w: float) -> float:
        """Return the mean square of the distance of the growth from `grown_w`."""
        unit_w = Leakage(1.0, self.doubling_c).growth_w
        away_w = self.rest_w.mean * unit_w - grown_w
        return away_w**2 + (self.rest_w.deviation * unit_w) ** 2


class _Line:
    """Slopes at rest or at work, and the prior of their drift; without slopes by `idle_w`."""

    def __init__(self, slopes: Iterable[Slope], idle_w: float) -> None:
        self._slopes = list(slopes)
        power_w = median([s.power_w for s in self._slopes] or [idle_w])
        self._drift = drift = _Normal(_DRIFT[0] * power_w, _DRIFT[1] * power_w)
        noise_w2 = self._noise_w2() if self._slopes else 1.0
        self._weights = [s.variance_c2 / noise_w2 for s in self._slopes]
        self._above = [s.w_per_c - drift.mean for s in self._slopes]

    def _noise_w2(self) -> float:
        """Return a slope's variance times that of its temperatures.

        An assumption that counts for a few slopes, and the scatter about the usual curve.
        """
        shapes, weights = self._shapes(DOUBLING_C), [s.variance_c2 for s in self._slopes]
        slopes = [s.w_per_c for s in self._slopes]
        usual_w = _dot(weights, shapes, slopes) / _dot(weights, shapes, shapes)
        misses = [y - usual_w * x for x, y in zip(shapes, slopes, strict=True)]
        assumed = _NOISE_SLOPES * (_NOISE * fmean(s.power_w for s in self._slopes)) ** 2
        return (assumed + _dot(weights, misses, misses)) / (_NOISE_SLOPES + len(misses) - 1.0)

    def _shapes(self, doubling_c: float) -> list[float]:
        unit = Leakage(1.0 + _LOSS, doubling_c)
        return [unit.slope_w_per_c(s.temp_c) for s in self._slopes]

    def posterior(self, doubling_c: float, prior_w: _Normal) -> tuple[float, _Normal, float]:
        """Return log evidence, reference and drift, by the normal equations of both."""
        shapes, weights, above = self._shapes(doubling_c), self._weights, self._above
        sure, sure_drift = prior_w.deviation**-2, self._drift.deviation**-2
        xx, xd = sure + _dot(weights, shapes, shapes), _dot(weights, shapes)
        dd, dy = sure_drift + math.fsum(weights), _dot(weights, above)
        xy = sure * prior_w.mean + _dot(weights, shapes, above)
        volume = xx * dd - xd * xd
        mean, more = (dd * xy - xd * dy) / volume, (xx * dy - xd * xy) / volume
        gain = mean * xy + more * dy - sure * prior_w.mean**2
        evidence = 0.5 * (gain + math.log(sure * sure_drift / volume))
        return evidence, _Normal(mean, math.sqrt(dd / volume)), self._drift.mean + more


def fit_leakage(slopes: Iterable[Slope], prior: LeakagePrior) -> LeakageFit:
    """Fit leakage to the slopes of rests and of constant work; the newest come last."""
    seen = list(slopes)
    idle_w = median([s.power_w for s in seen if not s.at_work] or [prior.idle_w])
    slopes = [s for s in seen if prior.step_w <= _COARSE * s.power_w]
    found = _doublings(slopes, prior.reference_w or _SHARE * idle_w, idle_w)
    fit = _fit(found, slopes, idle_w)
    if fit.growth_w.high <= 0.0:
        strange = "its power does not grow with the temperature as leakage does"
        return replace(fit_leakage((), replace(prior, idle_w=idle_w)), missing=strange)
    missing = _missing(len(slopes), fit.growth_w, idle_w)
    if seen and not slopes:
        missing = f"the sensor's steps of {prior.step_w:.2g} W hide it"
    return replace(fit, source="assumed" if missing else "measured", missing=missing)


def _doublings(slopes: Sequence[Slope], reference_w: float, idle_w: float) -> list[_Doubling]:
    """Fit with each doubling; what work says of the reference is the prior of what rests say."""
    rests = _Line((s for s in slopes if not s.at_work), idle_w)
    works = _Line((s for s in slopes if s.at_work), idle_w)
    believed_w = _Normal(_WORK * reference_w, _WORK * _REFERENCE_SPREAD * reference_w)
    found = list[_Doubling]()
    for away in _GRID:
        doubling_c = DOUBLING_C * math.exp(_DOUBLING_SPREAD * away)
        at_work, work_w, _ = works.posterior(doubling_c, believed_w)
        mean_w = max(0.0, work_w.mean) / _WORK
        spread_w = math.hypot(work_w.deviation / _WORK, _WORK_SPREAD * mean_w)
        at_rest, rest_w, drift = rests.posterior(doubling_c, _Normal(mean_w, spread_w))
        evidence = at_work + at_rest - 0.5 * away * away
        found.append(_Doubling(doubling_c, evidence, rest_w, work_w, drift))
    return found


def _fit(found: Sequence[_Doubling], slopes: Sequence[Slope], idle_w: float) -> LeakageFit:
    """Return the means over all doublings, with intervals by the variances."""
    most = max(d.evidence for d in found)
    chances = [math.exp(d.evidence - most) for d in found]

    def mean(figure: Callable[[_Doubling], float]) -> float:
        return _dot(chances, [figure(d) for d in found]) / math.fsum(chances)

    doubling_c = DOUBLING_C * math.exp(mean(lambda d: math.log(d.doubling_c / DOUBLING_C)))
    spread = mean(lambda d: math.log(d.doubling_c / doubling_c) ** 2)
    spread = math.exp(_NORMAL * math.sqrt(_BENT**2 + spread))
    rest_w, work_w = mean(lambda d: d.rest_w.mean), mean(lambda d: d.work_w.mean)
    drift, leakage = mean(lambda d: d.drift), Leakage(max(0.0, rest_w), doubling_c)
    grown_w = Leakage(rest_w, doubling_c).growth_w
    half_w = _NORMAL * math.hypot(_MODEL * grown_w, math.sqrt(mean(lambda d: d.away_w2(grown_w))))
    temps = [s.temp_c for s in slopes]
    rests = [(s.temp_c, s.power_w) for s in slopes if not s.at_work]
    at_c, power_w = rests[-1] if rests else (REFERENCE_C, idle_w)
    return LeakageFit(
        leakage,
        max(0.0, power_w - leakage.power_w(at_c) - drift * (at_c - REFERENCE_C)),
        drift,
        "assumed",
        Interval(max(0.0, grown_w - half_w), max(0.0, grown_w), grown_w + half_w),
        Interval(doubling_c / spread, doubling_c, doubling_c * spread),
        max(1.0, work_w / rest_w) if rest_w > 0.0 and len(rests) < len(slopes) else _WORK,
        (min(temps), max(temps)) if temps else None,
    )


def _missing(slopes: int, growth_w: Interval, idle_w: float) -> str | None:
    """Return why leakage is not measured; None where it is."""
    half_w, (share, of_idle) = growth_w.high - growth_w.middle, MEASURED
    if not slopes:
        return "power has not been seen at different temperatures yet"
    if half_w <= max(share * growth_w.middle, of_idle * idle_w):
        return None
    return (
        f"{slopes} stretches at rest or constant work leave its growth open by {half_w:.2g} W:"
        " more of them, or longer ones, tell more"
    )


def _dot(*columns: Sequence[float]) -> float:
    return math.fsum(map(math.prod, zip(*columns, strict=True)))
