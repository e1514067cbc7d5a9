"""Where the temperature goes under constant power, and how forecasts of it came out."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from edge_rt.thermal.network import EulerStep, Network, Pair

HOUR_S = 3600.0
HORIZONS_S = (10.0, 30.0)  # after which forecasts are compared with what came
_FIRST_S, _GROWTH = 1.0, 0.25  # spans grow with the time they start at: far off, less counts
_PARTS = 4  # steps of a span
_HOTTEST_C = 150.0  # leakage is taken from here at most: the board is off long before
_SOONEST_S = 3.0  # what comes earlier is in nobody's hands any more
_FIRST_W, _MOST_W = 10.0, 10_000.0
_CLOSE_W = 0.0005  # what may be left below a limit
_EVERY_S = 5.0  # between two forecasts that are compared
_STEP_S = 0.5  # the longest of such a forecast
_UNSEEN = 0.2  # of its time that it may be without power to be scored
_MOVED = 0.1  # expected error, over how far a forecast goes from the temperature of its start
_MOST_MOVED = 0.8  # the most that errors may make of it: more power is never cooler


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
        temps_c: Pair,
        fan: float,
        leakage: Callable[[float], float] | None = None,
    ) -> None:
        """Start from one set of figures; the fan stays as it is."""
        self._network, self._temps_c, self._fan = network, temps_c, fan
        self._leakage = leakage
        self._steps: list[EulerStep] = []

    def walk(self, power_w: float, count: int) -> list[float]:
        """Return the chip's temperature at the first `count` of TIMES_S."""
        for span_s in SPANS_S[len(self._steps) : count - 1]:
            self._steps.append(self._network.step(span_s / _PARTS, self._fan))
        temps, leakage, advance = self._temps_c, self._leakage, self._network.advance
        found = [temps[0]]
        leaks_w = leakage(min(temps[0], _HOTTEST_C)) if leakage else 0.0
        for step in self._steps[: count - 1]:
            for _ in range(_PARTS):
                grown_w = leakage(min(temps[0], _HOTTEST_C)) - leaks_w if leakage else 0.0
                temps = advance(step, temps, max(0.0, power_w + grown_w))
            found.append(temps[0])
        return found


def reach(time_s: float) -> int:
    """Return how many of TIMES_S lead up to `time_s`, the last one not before it."""
    return min(len(TIMES_S), bisect_left(TIMES_S, time_s) + 1)


def between(values: Sequence[float], time_s: float) -> float:
    """Interpolate linearly between `values` at TIMES_S; the last one holds behind them."""
    index = bisect_left(TIMES_S, time_s)
    if index == 0 or index >= len(values):
        return values[min(index, len(values) - 1)]
    share = (time_s - TIMES_S[index - 1]) / SPANS_S[index - 1]
    return values[index - 1] + share * (values[index] - values[index - 1])


class Forecast(NamedTuple):
    """A temperature in °C and the half width of the band around it that holds 90 %, in K."""

    temp_c: float
    band_k: float


class Band(NamedTuple):
    """The half width of a forecast that goes `moved_k` from the temperature of its start.

    width = φ·√(e² + (0.1·moved)²), with the sensor's error e and the factor φ that recent errors
    ask for.
    """

    factor: float
    error_k: float

    def expected_k(self, moved_k: float) -> float:
        """Return the half width with a factor of 1."""
        return math.hypot(self.error_k, _MOVED * moved_k)

    def width_k(self, moved_k: float) -> float:
        """Return the half width to publish."""
        share = min(_MOST_MOVED, self.factor * _MOVED)
        return math.hypot(self.factor * self.error_k, share * moved_k)


class Outlook:
    """A course as seen from now, with its error bands."""

    def __init__(self, course: Trajectory, band: Band, told: Band) -> None:
        """`band` is kept below limits, and `told` is published."""
        self._course, self._band, self._told = course, band, told

    def forecast(self, power_w: float, horizon_s: float) -> Forecast:
        """Return the temperature after `horizon_s` at `power_w`."""
        temps = self._course.walk(power_w, reach(horizon_s))
        temp_c = between(temps, horizon_s)
        return Forecast(temp_c, self._told.width_k(abs(temp_c - temps[0])))

    def peak(self, power_w: float, horizon_s: float, soonest_s: float = 0.0) -> Forecast:
        """Return the highest one, band included, from `soonest_s` to `horizon_s` from now."""
        count = reach(horizon_s)
        temps = self._course.walk(power_w, count)
        found = [temps[n] for n in range(count) if soonest_s < TIMES_S[n] < horizon_s]
        found += [between(temps, min(soonest_s, horizon_s)), between(temps, horizon_s)]
        widths = [self._band.width_k(abs(temp_c - temps[0])) for temp_c in found]
        return max(map(Forecast, found, widths), key=sum)

    def most_power_w(self, limit_c: float, horizon_s: float) -> float:
        """Return the greatest constant power whose forecast and band stay below `limit_c`.

        The first three seconds do not count; 0 where no power does.
        """

        def below(power_w: float) -> bool:
            return sum(self.peak(power_w, horizon_s, _SOONEST_S)) < limit_c

        low_w, high_w = 0.0, _FIRST_W
        if not below(low_w):
            return 0.0
        while below(high_w):
            if high_w >= _MOST_W:
                return high_w
            low_w, high_w = high_w, 2.0 * high_w
        while high_w - low_w > _CLOSE_W:
            middle_w = 0.5 * (low_w + high_w)
            low_w, high_w = (middle_w, high_w) if below(middle_w) else (low_w, middle_w)
        return low_w

    def seconds_to(self, limit_c: float, power_w: float) -> float | None:
        """Return seconds until the forecast, without its band, reaches `limit_c`.

        None: not in an hour.
        """
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


class Trial:
    """A forecast under way, with the figures and the fan speed of the time at which it was made."""

    def __init__(self, network: Network, temps_c: Pair, fan: float, band: Band) -> None:
        self._network, self._fan, self._band = network, fan, band
        self._start_c, self.temps_c = temps_c[0], temps_c
        self.age_s = self.unseen_s = 0.0
        self.passed = 0  # horizons

    def advance(self, dt_s: float, power_w: float) -> None:
        """Let `dt_s` pass at `power_w`."""
        count = math.ceil(dt_s / _STEP_S)
        step = self._network.step(dt_s / count, self._fan)
        for _ in range(count):
            self.temps_c = self._network.advance(step, self.temps_c, power_w)
        self.age_s += dt_s

    def score(self, temp_c: float) -> Score:
        """Compare it with the temperature of its next horizon."""
        moved_k = abs(self.temps_c[0] - self._start_c)
        error_k = temp_c - self.temps_c[0]
        return Score(self.passed, error_k, moved_k, self._band)


@dataclass(frozen=True)
class Score:
    """How a forecast for HORIZONS_S[index] came out: the truth less the forecast.

    The forecast went `moved_k` from the temperature of its start.
    """

    index: int
    error_k: float
    moved_k: float
    band: Band

    @property
    def band_k(self) -> float:
        """The half width that was published."""
        return self.band.width_k(self.moved_k)


class ForecastTrials:
    """The forecasts that are under way, one every five seconds."""

    def __init__(self) -> None:
        self._running: list[Trial] = []
        self._rest_s = 0.0

    def clear(self) -> None:
        """Drop all running forecasts: they can no longer be scored."""
        self._running, self._rest_s = [], 0.0

    def due(self, dt_s: float) -> bool:
        """Return whether another forecast is to be put to the test."""
        self._rest_s -= dt_s
        return self._rest_s <= 0.0

    def start(self, trial: Trial) -> None:
        """Put a forecast to the test."""
        self._running.append(trial)
        self._rest_s = _EVERY_S

    def advance(
        self, dt_s: float, power_w: float, known: bool, temp_c: float | None
    ) -> Iterator[Score]:
        """Let `dt_s` pass at `power_w`, a guess without `known`; compare with the temperature."""
        for trial in self._running:
            trial.advance(dt_s, power_w)
            trial.unseen_s += 0.0 if known else dt_s
            if trial.unseen_s > _EVERY_S + _UNSEEN * trial.age_s:
                trial.passed = len(HORIZONS_S)
            elif trial.age_s >= HORIZONS_S[trial.passed]:
                if temp_c is not None:
                    yield trial.score(temp_c)
                trial.passed += 1
        self._running = [trial for trial in self._running if trial.passed < len(HORIZONS_S)]
