"""Where the temperature goes under constant power, and how forecasts of it came out."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from edge_rt.thermal.network import LadderSolver, Network

HOUR_S = 3600.0
_FIRST_S, _GROWTH = 1.0, 0.25  # spans grow with the time they start at: far off, less counts
_PARTS = 4  # steps of a span
_HOTTEST_C = 150.0  # leakage is taken from here at most: the board is off long before


def _spans() -> tuple[float, ...]:
    spans, total_s = [_FIRST_S], _FIRST_S
    while total_s < HOUR_S:
        spans.append(max(_FIRST_S, _GROWTH * total_s))
        total_s += spans[-1]
    return tuple(spans)


SPANS_S = _spans()
TIMES_S = (0.0, *accumulate(SPANS_S))  # where a course is known; straight lines in between


class Trajectory:
    """The chip's temperature from now on, from one set of figures.

    `leakage` is watts at a temperature in °C; what it grows by as the chip warms comes on top of
    the power that is asked for.
    """

    def __init__(
        self,
        network: Network,
        temps_c: Sequence[float],
        fan: float,
        leakage: Callable[[float], float] | None = None,
    ) -> None:
        """The fan stays as it is."""
        self._network, self._temps_c, self._fan = network, temps_c, fan
        self._leakage = leakage
        self._chains: list[LadderSolver] = []

    def walk(self, power_w: float, count: int) -> list[float]:
        """The chip's temperature at the first `count` of TIMES_S."""
        for span_s in SPANS_S[len(self._chains) : count - 1]:
            self._chains.append(self._network.chain(span_s / _PARTS, self._fan))
        temps, leakage, advance = self._temps_c, self._leakage, self._network.advance
        found = [temps[0]]
        leaks_w = leakage(min(temps[0], _HOTTEST_C)) if leakage else 0.0
        for chain in self._chains[: count - 1]:
            for _ in range(_PARTS):
                grown_w = leakage(min(temps[0], _HOTTEST_C)) - leaks_w if leakage else 0.0
                temps = advance(chain, temps, max(0.0, power_w + grown_w))
            found.append(temps[0])
        return found


def reach(time_s: float) -> int:
    """How many of TIMES_S lead up to `time_s`, the last one not before it."""
    return min(len(TIMES_S), bisect_left(TIMES_S, time_s) + 1)


def between(values: Sequence[float], time_s: float) -> float:
    """Interpolate linearly between `values` at TIMES_S; the last one holds behind them."""
    index = bisect_left(TIMES_S, time_s)
    if index == 0 or index >= len(values):
        return values[min(index, len(values) - 1)]
    share = (time_s - TIMES_S[index - 1]) / SPANS_S[index - 1]
    return values[index - 1] + share * (values[index] - values[index - 1])


_SOONEST_S = 3.0  # what comes earlier is in nobody's hands any more
_FIRST_W, _MOST_W = 10.0, 10_000.0
_CLOSE_K = 0.01  # what may be left below a limit
_TRIES = 40

Widths = Callable[[float, int], Sequence[float]]


class Forecast(NamedTuple):
    """A temperature in °C and the half width of the band around it that holds 90 %, in K."""

    temp_c: float
    band_k: float


class Outlook:
    """A course as seen from now, with its error bands."""

    def __init__(self, course: Trajectory, widths_k: Widths, told_k: Widths) -> None:
        """Half widths for a power and a number of TIMES_S: for limits, and as published."""
        self._course, self._widths_k, self._told_k = course, widths_k, told_k

    def forecast(self, power_w: float, horizon_s: float) -> Forecast:
        """The temperature after `horizon_s` at `power_w`."""
        count = reach(horizon_s)
        temps, widths = self._course.walk(power_w, count), self._told_k(power_w, count)
        return Forecast(between(temps, horizon_s), between(widths, horizon_s))

    def peak(self, power_w: float, horizon_s: float, soonest_s: float = 0.0) -> Forecast:
        """The highest one, band included, from `soonest_s` to `horizon_s` from now."""
        count = reach(horizon_s)
        temps, widths = self._course.walk(power_w, count), self._widths_k(power_w, count)
        inner = [n for n in range(count) if soonest_s < TIMES_S[n] < horizon_s]
        points = [Forecast(temps[n], widths[n]) for n in inner]
        for time_s in (min(soonest_s, horizon_s), horizon_s):
            points.append(Forecast(between(temps, time_s), between(widths, time_s)))
        return max(points, key=sum)

    def most_power_w(self, limit_c: float, horizon_s: float) -> float:
        """The greatest constant power that stays below `limit_c`, band included, from three
        seconds on; 0 where none does."""

        def over_k(power_w: float) -> float:
            return sum(self.peak(power_w, horizon_s, _SOONEST_S)) - limit_c + 0.5 * _CLOSE_K

        still_k = over_k(0.0)
        if still_k >= 0.0:
            return 0.0
        slope = over_k(_FIRST_W) - still_k
        high_w = 1.1 * -still_k * _FIRST_W / slope if slope > 0.0 else _MOST_W
        while (high_k := over_k(high_w)) < 0.0 and high_w < _MOST_W:
            high_w *= 2.0
        return high_w if high_k < 0.0 else _root(over_k, high_w, still_k, high_k)

    def seconds_to(self, limit_c: float, power_w: float) -> float | None:
        """Seconds until the forecast, without its band, reaches `limit_c`; None: not in an hour."""
        temps = self._course.walk(power_w, len(TIMES_S))
        for index, temp_c in enumerate(temps):
            if temp_c >= limit_c:
                return _crossing(temps, index, limit_c)
        return None


def _crossing(temps: Sequence[float], index: int, limit_c: float) -> float | None:
    if index == 0:
        return 0.0
    rise_k = temps[index] - temps[index - 1]
    share = (limit_c - temps[index - 1]) / rise_k
    time_s = TIMES_S[index - 1] + share * SPANS_S[index - 1]
    return time_s if time_s <= HOUR_S else None


def _root(over_k: Callable[[float], float], high_w: float, low_k: float, high_k: float) -> float:
    """Where `over_k` turns from negative at 0 to positive, from below: Illinois' regula falsi."""
    low_w, moved = 0.0, 0
    for _ in range(_TRIES):
        share = -low_k / (high_k - low_k)
        middle_w = low_w + min(max(share, 0.001), 0.999) * (high_w - low_w)
        middle_k = over_k(middle_w)
        if abs(middle_k) <= 0.5 * _CLOSE_K:
            return middle_w
        side = -1 if middle_k < 0.0 else 1
        if side < 0:
            low_w, low_k, high_k = middle_w, middle_k, high_k * (0.5 if moved < 0 else 1.0)
        else:
            high_w, high_k, low_k = middle_w, middle_k, low_k * (0.5 if moved > 0 else 1.0)
        moved = side
    return low_w


HORIZONS_S = (5.0, 10.0, 30.0, 60.0)
_EVERY_S = 5.0
_STEP_S = 0.5  # the longest of a forecast
_UNSEEN = 0.2  # of its time that a forecast may be without power to be scored


class Trial:
    """A forecast under way, with the figures and the fan speed of the time at which it was made."""

    __slots__ = ("_fan", "_network", "age_s", "bands_k", "passed", "temps_c", "told_k", "unseen_s")

    def __init__(
        self,
        network: Network,
        temps_c: Sequence[float],
        fan: float,
        bands_k: Sequence[float],
        told_k: Sequence[float],
    ) -> None:
        """Half widths for each of HORIZONS_S: `bands_k` by recent errors, `told_k` as published."""
        self._network, self._fan = network, fan
        self.bands_k, self.told_k = bands_k, told_k
        self.temps_c: Sequence[float] = temps_c
        self.age_s = self.unseen_s = 0.0
        self.passed = 0  # horizons

    def advance(self, dt_s: float, power_w: float) -> None:
        count = math.ceil(dt_s / _STEP_S)
        chain = self._network.chain(dt_s / count, self._fan)
        for _ in range(count):
            self.temps_c = self._network.advance(chain, self.temps_c, power_w)
        self.age_s += dt_s


@dataclass(frozen=True)
class Score:
    """How a forecast for HORIZONS_S[index] came out: the truth less the forecast.

    `band_k` is the half width by recent errors, and `told_k` the published one.
    """

    index: int
    error_k: float
    band_k: float
    told_k: float


class ForecastTrials:
    """The forecasts that are under way, one every five seconds."""

    def __init__(self) -> None:
        self._running: list[Trial] = []
        self._rest_s = 0.0

    def clear(self) -> None:
        """Drop all running forecasts: they can no longer be scored."""
        self._running, self._rest_s = [], 0.0

    def due(self, dt_s: float) -> bool:
        """Whether another forecast is to be put to the test."""
        self._rest_s -= dt_s
        return self._rest_s <= 0.0

    def start(self, trial: Trial) -> None:
        self._running.append(trial)
        self._rest_s = _EVERY_S

    def advance(self, dt_s: float, power_w: float, known: bool) -> None:
        """Let `dt_s` pass at `power_w`; without `known` that is a guess."""
        for trial in self._running:
            trial.advance(dt_s, power_w)
            trial.unseen_s += 0.0 if known else dt_s
        self._running = [
            trial for trial in self._running if trial.unseen_s <= _EVERY_S + _UNSEEN * trial.age_s
        ]

    def scores(self, temp_c: float | None) -> Iterator[Score]:
        """Compare those that come of age with the measured temperature, if there is one."""
        for trial in self._running:
            index = trial.passed
            if trial.age_s >= HORIZONS_S[index]:
                trial.passed += 1
                if temp_c is not None:
                    error_k = temp_c - trial.temps_c[0]
                    yield Score(index, error_k, trial.bands_k[index], trial.told_k[index])
        self._running = [trial for trial in self._running if trial.passed < len(HORIZONS_S)]
