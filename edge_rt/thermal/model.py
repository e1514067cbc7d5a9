"""A board's temperature: a model learnt from observations, and forecasts with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from edge_rt.thermal.band import WATCHED_S, ErrorScale, ForecastTrust
from edge_rt.thermal.course import (
    Band,
    Forecast,
    ForecastTrials,
    Outlook,
    Trajectory,
    Trial,
)
from edge_rt.thermal.fit import Fit
from edge_rt.thermal.network import ThermalPrior
from edge_rt.thermal.readings import GAP_S, ReadingFilter, ThermalReading

BLIND_S = 60.0  # without a temperature for longer, nothing is forecast
_STEP_S = 0.5  # the longest of the fit
_ABSURD_K = 1000.0  # no board would stand the power that leads there
_FAR, _FAR_K = 5.0, 5.0  # standard deviations and kelvins from which on nothing is learnt
_LEAST_K = 0.1  # half width, whatever the sensor's steps


@dataclass(frozen=True)
class ThermalState:
    """The present state of a model."""

    ambient_c: float  # of the air that cools it
    resistance_c_per_w: float  # from the chip to the air with the fan as it is
    time_constants_s: tuple[float, ...]  # R·C of each node, the chip first
    temps_c: tuple[float, ...]  # of each node
    band_k: float  # half width published with a forecast of 30 s at the present power
    believed: bool
    why: str


class ThermalModel:
    """Learns a board's heat path from observations, and forecasts its temperature.

    Meant for a few observations a second. It holds neither clock nor log: its memory is bounded,
    and a reading costs the same after a month as at the start. The fan is taken to stay as it is,
    which errs on the hot side where the board's own control would turn it up.
    """

    def __init__(
        self, prior: ThermalPrior, leakage: Callable[[float], float] | None = None
    ) -> None:
        """`leakage` is watts at a temperature in °C, part of every power that is read."""
        self._prior, self._leakage = prior, leakage
        self._intake = ReadingFilter(_ABSURD_K / sum(prior.resistances_c_per_w))
        self._fit: Fit | None = None
        self._trials, self._scale, self._belief = ForecastTrials(), ErrorScale(), ForecastTrust()
        self._outlook: Outlook | None = None

    def observe(
        self, time_s: float, temp_c: float | None, power_w: float | None, fan: float | None
    ) -> None:
        """Take one look at the board; what cannot be read is None.

        `time_s` is monotonic, `power_w` the supply's mean since the last look, `fan` its drive
        from 0 to 1; a fan that is known to stand still has 0.
        """
        reading = self._intake.take(time_s, temp_c, power_w, fan)
        if reading is None:
            return
        self._outlook = None
        if self._fit is not None and not reading.gap:
            self._follow(self._fit, reading)
        elif self._fit is not None:
            self._trials.clear()
            if reading.temp_c is not None:
                self._fit.restart(reading.temp_c, reading.error_c)
        elif self._intake.temp_c is not None:
            self._fit = Fit(self._prior, self._intake.temp_c, reading.error_c)

    def forecast(self, power_w: float, horizon_s: float) -> Forecast | None:
        """Return the temperature after `horizon_s` at constant power. None: nothing is known yet.

        `power_w` is all that the supply gives at the leakage of now; what leakage grows by comes
        on top.
        """
        outlook = self._look()
        return None if outlook is None else outlook.forecast(power_w, horizon_s)

    def most_power_w(self, limit_c: float, horizon_s: float) -> float | None:
        """Return the greatest constant power whose forecast and band stay below `limit_c`.

        From three seconds on: what comes earlier cannot be helped. 0 where no power does.
        """
        outlook = self._look()
        return None if outlook is None else outlook.most_power_w(limit_c, horizon_s)

    def seconds_to(self, limit_c: float, power_w: float) -> float | None:
        """Return seconds until the forecast reaches `limit_c`.

        None: not in an hour, or not known.
        """
        outlook = self._look()
        return None if outlook is None else outlook.seconds_to(limit_c, power_w)

    def trial(self) -> Trial | None:
        """Return a forecast from now on, to be fed with the power that really comes."""
        return None if self._fit is None or self._look() is None else self._trial(self._fit)

    @property
    def believed(self) -> bool:
        """Whether forecasts have come true lately."""
        return self._why_not() is None

    @property
    def state(self) -> ThermalState | None:
        """The present state; None as long as nothing was seen."""
        if self._fit is None:
            return None
        network, fan, why_not = self._fit.network, self._intake.fan, self._why_not()
        band_k = self._band_k
        return ThermalState(
            network.ambient_c,
            network.resistance_c_per_w(fan),
            network.time_constants_s(fan),
            self._fit.temps_c,
            band_k,
            why_not is None,
            why_not or f"nine of ten forecasts come within {band_k:.1f} K",
        )

    def _follow(self, fit: Fit, reading: ThermalReading) -> None:
        count = math.ceil(reading.dt_s / _STEP_S)
        for _ in range(count):
            fit.predict(reading.dt_s / count, reading.power_w, reading.fan, reading.known)
        if (temp_c := reading.temp_c) is not None:
            far_k, error_c = abs(temp_c - fit.temps_c[0]), reading.error_c
            if far_k > _FAR_K and fit.surprise(temp_c, error_c) > _FAR:
                fit.snap(temp_c, error_c)
            else:
                fit.correct(temp_c, error_c, reading.known)
        self._score(fit, reading)

    def _score(self, fit: Fit, reading: ThermalReading) -> None:
        about = reading.dt_s, reading.power_w, reading.known, reading.temp_c
        for score in self._trials.advance(*about):
            expected_k = score.band.expected_k(score.moved_k)
            self._scale.add(abs(score.error_k) / expected_k, score.band.factor)
            if self._belief.judge(score):
                fit.loosen()
        if self._trials.due(reading.dt_s) and reading.temp_c is not None:
            self._trials.start(self._trial(fit))

    def _trial(self, fit: Fit) -> Trial:
        return Trial(fit.network, fit.temps_c, self._intake.fan, self._told)

    def _look(self) -> Outlook | None:
        if self._fit is None or self._intake.blind_s > BLIND_S:
            return None
        if self._outlook is None:
            fit = self._fit
            course = Trajectory(fit.network, fit.temps_c, self._intake.fan, self._leakage)
            self._outlook = Outlook(course, self._band(self._scale.quantile), self._told)
        return self._outlook

    def _band(self, factor: float) -> Band:
        return Band(factor, max(_LEAST_K, 0.5 * self._intake.grain_c))

    @property
    def _told(self) -> Band:
        """The band to publish, which holds even if the board changes faster than recent errors.

        Limits do without that scale: half of the misses are on the cold side.
        """
        return self._band(self._scale.factor)

    @property
    def _band_k(self) -> float:
        """The half width at the present power."""
        outlook, power_w = self._look(), self._intake.power_w or 0.0
        if outlook is None:
            return self._told.width_k(0.0)
        return outlook.forecast(power_w, WATCHED_S).band_k

    def _why_not(self) -> str | None:
        """Return why forecasts are not believed; None: they are."""
        if self._fit is None:
            missing = "temperature" if self._intake.temp_c is None else "power"
            return f"no {missing} has been read yet"
        if self._intake.blind_s > GAP_S:
            return f"no temperature has been read for {self._intake.blind_s:.0f} s"
        return self._belief.why_not(self._scale.count, self._band_k)
