"""A simulated board as its own sensors show it, faster than real time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from statistics import fmean

from benchlib.boards import load_boards
from benchlib.heat_forecasts import LOOK_S, Look

from edge_rt.board.readers.modelled import power_scale
from edge_rt.config.board import Rail
from edge_rt.governor.power.draws import priors_of
from edge_rt.thermal.network import ThermalPrior
from edge_rt.twin.plant import Conditions, Plant, PlantState
from edge_rt.twin.shape import Parameters, Shape, draw

BOARDS = load_boards()
STEP_S = 0.1
AIR_C = 25.0
_BUS_STEP_V, _SHUNT_STEP_V = 8e-3, 40e-6  # of the INA3221
_PMIC_S = 0.25  # a Pi's power chip answers too slowly to be asked more often
_RIPPLE = 0.15  # of a busy core's time, between one step and the next
_PARTS = round(LOOK_S / STEP_S)

Weather = Callable[[float], Conditions]


def shape_of(name: str) -> Shape:
    """Return what can be known of a board."""
    return Shape.of(BOARDS[name])


def parameters_of(name: str, seed: int) -> Parameters:
    """The true properties of board number `seed`, which its readers do not show."""
    return draw(shape_of(name), seed)


def prior_of(name: str) -> ThermalPrior:
    """Return what a daemon knows of the board: about what it draws, and whether it has a fan."""
    shape, power, full = shape_of(name), priors_of(BOARDS[name]), BOARDS[name].draw.loaded_w
    loaded_w = power.idle_w + shape.cores * power.core_w if full is None else full.value
    return ThermalPrior.generic(loaded_w, fan=bool(shape.fan_points), idle_w=power.idle_w)


class SensedBoard:
    """Steps a board; its temperature and power come in the sensors' steps, and late.

    Busy cores waver by 15 % from step to step, so that a power that is read now and then is not
    quite the mean.
    """

    def __init__(self, name: str, seed: int, ambient_c: float = AIR_C) -> None:
        """The board has lain unpowered at `ambient_c`."""
        self.shape, self.known = shape_of(name), parameters_of(name, seed)
        self._plant = Plant(self.shape, self.known, ambient_c)
        self._dice = random.Random(seed)
        self.state = self._plant.step(1e-6, 0.0, Conditions(ambient_c))
        self.power_w = self._read_w(self.state)  # the last one that was read

    def step(self, busy: float, conditions: Conditions) -> None:
        """Let a tenth of a second pass."""
        before = self.state
        busy *= 1.0 - _RIPPLE * self._dice.random()
        self.state = self._plant.step(STEP_S, busy, conditions)
        period_s = _PMIC_S if "VDD_CORE" in self.shape.board.rails else STEP_S
        if int(self.state.time_s / period_s) > int(before.time_s / period_s):
            self.power_w = self._read_w(before)

    @property
    def temp_c(self) -> float:
        """The chip's temperature in its sensor's steps."""
        step_c = self.shape.prior.zone_step_c
        return round(self.state.chip_c / step_c) * step_c

    def _read_w(self, state: PlantState) -> float:
        """The first total of the rails; where there is none, what the profile's figures say."""
        board = self.shape.board
        if board.totals:
            return sum(
                _shown_w(board.rails[label], state.rails_w[label], state.voltages_v[label])
                for label in board.totals[0].rails
            )
        assert board.draw.idle_w is not None
        assert board.draw.loaded_w is not None
        idle_w, loaded_w = board.draw.idle_w.value, board.draw.loaded_w.value
        scale = power_scale(state.clocks_hz[0] / self.shape.top_hz, 0.6)
        return idle_w + state.busy_cores * (loaded_w - idle_w) / self.shape.cores * scale


def _shown_w(rail: Rail, power_w: float, voltage_v: float) -> float:
    """Return a rail's power as its chip shows it: an INA3221 has coarse steps."""
    if rail.chip != "ina3221" or rail.shunt_ohm is None:
        return power_w
    volts = round(voltage_v / _BUS_STEP_V) * _BUS_STEP_V
    step_a = max(1e-3, _SHUNT_STEP_V / rail.shunt_ohm)
    return volts * round(power_w / volts / step_a) * step_a


def bursts(cores: int, seed: int) -> Callable[[float], int]:
    """Busy cores by time: as many as chance wants for 2 to 60 s, every second time none."""
    dice, plan = random.Random(seed), [(0.0, 0)]

    def busy(time_s: float) -> int:
        while time_s >= plan[-1][0]:
            count = 0 if plan[-1][1] and dice.random() < 0.5 else dice.randint(0, cores)
            plan.append((plan[-1][0] + dice.uniform(2.0, 60.0), count))
        return plan[-1][1]

    return busy


def calm(_time_s: float) -> Conditions:
    """Nothing happens to the board."""
    return Conditions(AIR_C)


def looks(
    name: str,
    seed: int,
    seconds: float,
    weather: Weather = calm,
    busy: Callable[[float], float] | None = None,
) -> Iterator[Look]:
    """Five looks a second; a load of `busy` cores by time, in place of bursts."""
    board = SensedBoard(name, seed, weather(0.0).ambient_c)
    cores = busy or bursts(board.shape.cores, seed)
    for number in range(round(seconds / LOOK_S)):
        wanted, powers = cores(number * LOOK_S), list[float]()
        for _ in range(_PARTS):
            board.step(wanted, weather(board.state.time_s))
            powers.append(board.power_w)
        state, power_w = board.state, fmean(powers)
        yield Look(
            state.time_s,
            board.temp_c,
            power_w,
            state.fan_duty,
            true_c=state.chip_c,
            came_w=power_w,
            busy=wanted,
        )
