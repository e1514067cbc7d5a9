"""Joules are told for the temperature of now: held against boards that are simulated."""

from __future__ import annotations

from statistics import fmean, median
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import pytest
from calibrated import BOARD, SMOL, calibration

from edge_rt.board_model.rates import Rates
from edge_rt.config.boards import board_dirs, check_boards
from edge_rt.config.paths import Paths
from edge_rt.core.routing import Prediction
from edge_rt.energy.prediction.forecaster import LeakedPower
from edge_rt.energy.prediction.predictor import Predictor
from edge_rt.governor.leakage_watch import LeakageWatch
from edge_rt.thermal.leakage import Block, LeakageFit, LeakagePrior, fit_leakage, slopes_of
from edge_rt.twin.plant import Conditions, Plant, PlantState
from edge_rt.twin.shape import Shape, draw

COLD_C, HOTTER_K = 20.0, 30.0  # of the air
STEP_S = 0.25
BUSY_CORES = 2.0
REST_S, RUN_S = 1200.0, 10.0
SEEDS = range(8)


class Run(NamedTuple):
    """What computing for RUN_S was found to take."""

    idle_w: float
    added_w: float
    rest_c: float
    end_c: float


class Bench:
    """A plant, read without error."""

    def __init__(self, name: str, seed: int) -> None:
        boards, _ = check_boards(board_dirs(Paths.detect()))
        self.shape = Shape.of(boards[name])
        self._plant = Plant(self.shape, draw(self.shape, seed), COLD_C)

    def go(self, seconds: float, busy: float, air: Conditions) -> list[PlantState]:
        return [self._plant.step(STEP_S, busy, air) for _ in range(round(seconds / STEP_S))]

    def leakage(self) -> LeakageFit:
        """As it is found: by constant work, and by cooling after it."""
        still, work = Conditions(COLD_C, fan_works=False), list[PlantState]()
        while len(work) < 3600 and (not work or work[-1].chip_c < 70.0):
            work += self.go(1.0, self.shape.cores, still)
        rest = self.go(600.0, 0.0, Conditions(COLD_C))
        slopes = [*slopes_of(_blocks(work), at_work=True), *slopes_of(_blocks(rest))]
        return fit_leakage(slopes, LeakagePrior())

    def run(self, air_c: float) -> Run:
        """Rest for long, then compute."""
        rest = self.go(REST_S, 0.0, Conditions(air_c))[-12:]
        work = self.go(RUN_S, BUSY_CORES, Conditions(air_c))
        assert {state.throttle_state for state in work} == {0}
        idle_w = fmean(state.total_w for state in rest)
        busy_w = fmean(state.total_w for state in work)
        return Run(idle_w, busy_w - idle_w, rest[-1].chip_c, work[-1].chip_c)


def _blocks(states: list[PlantState]) -> list[Block]:
    """Means over ten seconds, from the eighth one on."""
    tens = [states[n : n + 40] for n in range(32, len(states) - 39, 40)]
    return [Block(fmean(s.chip_c for s in ten), fmean(s.total_w for s in ten)) for ten in tens]


def foretold(cold: Run, now: Run, leaked_w: Any) -> tuple[float, float]:
    """What computing adds, and the board's whole power, by a calibration made in the cold."""
    draws = calibration().draws
    assert draws is not None
    busy_w = cold.idle_w + cold.added_w
    figures = {"idle_w": cold.idle_w, "prefill_w": busy_w, "decode_w": busy_w}
    one = calibration(draws=msgspec.structs.replace(draws, **figures, temp_c=cold.end_c))
    predictor = Predictor(Rates(), leaked_w)
    predictor.know("smol", SMOL, BOARD, [one])
    predictor.idle_w = now.idle_w
    found = predictor.predict("smol", 1, 256, 0, 64)
    assert isinstance(found, Prediction)
    assert found.energy_j is not None
    assert found.power_w is not None
    return found.energy_j / found.seconds, found.power_w


def off(told: tuple[float, float], truth: Run) -> float:
    """The larger relative error of what is added and of the whole."""
    added, whole = told[0] / truth.added_w, told[1] / (truth.idle_w + truth.added_w)
    return max(abs(added - 1.0), abs(whole - 1.0))


@pytest.mark.parametrize("name", ["raspberry-pi-5", "jetson-orin-nano-8gb"])
def test_joules_hold_cold_and_thirty_kelvin_hotter(name: str) -> None:
    cold_off, hot_off, fixed_off = list[float](), list[float](), list[float]()
    for seed in SEEDS:
        bench, leakage = Bench(name, seed), LeakageWatch(None)
        leakage.fit = bench.leakage()
        cold, hot = bench.run(COLD_C), bench.run(COLD_C + HOTTER_K)
        seen: Any = SimpleNamespace(temp_c=cold.rest_c)
        leaked_w = LeakedPower(lambda seen=seen: seen, leakage)
        cold_off.append(off(foretold(cold, cold, leaked_w), cold))
        seen.temp_c = hot.rest_c
        hot_off.append(off(foretold(cold, hot, leaked_w), hot))
        fixed_off.append(off(foretold(cold, hot, lambda _: 0.0), hot))
    print(name, cold_off, hot_off, fixed_off)
    assert max(cold_off) <= 0.05
    assert max(hot_off) <= 0.05
    assert median(hot_off) <= 0.5 * median(fixed_off)


def test_without_a_temperature_nothing_is_told() -> None:
    seen: Any = SimpleNamespace(temp_c=50.0)
    leakage: Any = SimpleNamespace(
        fit=SimpleNamespace(leakage=SimpleNamespace(power_w=lambda temp_c: temp_c), work_ratio=1.25)
    )
    leaked_w = LeakedPower(lambda: seen, leakage)
    assert leaked_w(30.0) == 5.0
    assert leaked_w(None) == 0.0
    seen.temp_c = None
    assert leaked_w(30.0) == 0.0
