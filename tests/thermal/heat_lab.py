"""Simulated boards on the bench: warmed, left to cool, and what their sensors say of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from heat_board import AIR_C, BOARDS, STEP_S, SensedBoard

from edge_rt.governor.power.draws import priors_of
from edge_rt.thermal.leakage import Block, LeakagePrior, fit_leakage, slopes_of
from edge_rt.twin.plant import Conditions

_HOT_C, _SETTLE_S, _COOL_S = 70.0, 8, 600
_REST_S, _LONGEST_S = 1800.0, 900.0
_STEPS_W = {"jetson-orin-nano-8gb": 0.04}  # of an INA3221 over 5 mΩ at 5 V


class Idle(NamedTuple):
    """What the sensors say of an idle board."""

    temp_c: float
    power_w: float


@dataclass(frozen=True)
class Truth:
    """What a fit should find: leakage at the voltage of an idle core."""

    reference_w: float
    doubling_c: float

    @property
    def growth_w(self) -> float:
        """From 45 to 70 °C."""
        return self.reference_w * (2.0 ** (25.0 / self.doubling_c) - 1.0)


class Lab:
    """One board, read ten times a second."""

    def __init__(self, name: str, seed: int) -> None:
        self._board = SensedBoard(name, seed)
        self.time_s = 0.0
        self.extra_w = 0.0  # that other hardware draws

    @property
    def truth(self) -> Truth:
        """The figures that are hidden from the fit."""
        known, shape = self._board.known, self._board.shape
        clock = shape.steps_hz[-1] / shape.top_hz
        voltage = known.voltage_floor + (1.0 - known.voltage_floor) * clock
        return Truth(known.leakage_w * voltage, known.doubling_c)

    def warm(self) -> None:
        """Rest, then work at full load without a fan until hot, a quarter of an hour at most."""
        for busy, seconds in ((0.0, _REST_S), (self._board.shape.cores, _LONGEST_S)):
            for _ in range(round(seconds / STEP_S)):
                self._board.step(busy, Conditions(AIR_C, fan_works=False))
                if self._board.state.chip_c >= _HOT_C:
                    return

    def seconds(self, count: int, busy_cores: float = 0.0) -> Iterator[Idle]:
        """Means over each second of what the sensors say."""
        for _ in range(count):
            temps, powers = list[float](), list[float]()
            for _ in range(round(1.0 / STEP_S)):
                self._board.step(busy_cores, Conditions(AIR_C))
                temps.append(self._board.temp_c)
                powers.append(self._board.power_w + self.extra_w)
            self.time_s += 1.0
            yield Idle(fmean(temps), fmean(powers))


@dataclass(frozen=True)
class Calibrated:
    """A calibration by cooling: relative errors, and whether its interval holds the truth."""

    doubling_err: float
    reference_err: float
    held: bool
    width: float  # of the interval, high by low
    growth_err: float  # of what leakage grows by from 45 to 70 °C
    measured: bool  # else the doubling is the default


def calibrate_board(name: str, seed: int) -> Calibrated:
    """Warm a board, let it cool for ten minutes, and compare the fit with the truth."""
    lab = Lab(name, seed)
    lab.warm()
    seen = list(lab.seconds(_COOL_S))[_SETTLE_S:]
    tens = (seen[n : n + 10] for n in range(0, len(seen), 10))
    blocks = [Block(fmean(s.temp_c for s in ten), fmean(s.power_w for s in ten)) for ten in tens]
    slopes = slopes_of(blocks, step_w=_STEPS_W.get(name, 0.0))
    fit = fit_leakage(slopes, LeakagePrior(priors_of(BOARDS[name]).idle_w))
    truth, doubling_c = lab.truth, fit.doubling_c
    return Calibrated(
        abs(fit.leakage.doubling_c / truth.doubling_c - 1.0),
        abs(fit.leakage.reference_w / truth.reference_w - 1.0),
        doubling_c.low <= truth.doubling_c <= doubling_c.high,
        doubling_c.high / doubling_c.low,
        abs(fit.growth_w.middle / truth.growth_w - 1.0),
        fit.source == "measured",
    )
