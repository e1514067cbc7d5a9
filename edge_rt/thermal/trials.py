"""Forecasts put to the test: each is made, fed with the power that really comes, and scored."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge_rt.thermal.network import Network

HORIZONS_S = (5.0, 10.0, 30.0, 60.0)
_EVERY_S = 5.0
_STEP_S = 0.5  # the longest of a forecast
_UNSEEN = 0.2  # of its time that a forecast may be without power to be scored


class Trial:
    """One forecast that goes on: figures and fan stay as they were when it was made."""

    __slots__ = ("_fan", "_network", "age_s", "bands_k", "passed", "temps_c", "told_k", "unseen_s")

    def __init__(
        self,
        network: Network,
        temps_c: Sequence[float],
        fan: float,
        bands_k: Sequence[float],
        told_k: Sequence[float],
    ) -> None:
        """`bands_k` are half widths by recent errors for each of HORIZONS_S.

        `told_k` are the published ones.
        """
        self._network, self._fan = network, fan
        self.bands_k, self.told_k = bands_k, told_k
        self.temps_c: Sequence[float] = temps_c
        self.age_s = self.unseen_s = 0.0
        self.passed = 0  # horizons

    def advance(self, dt_s: float, power_w: float) -> None:
        """Let `dt_s` pass at `power_w`."""
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
        """Put a forecast to the test."""
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
