"""Simulated boards that cool, and what their own sensors say of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from edge_rt.config.boards import load_boards
from edge_rt.thermal.curve import Idle
from edge_rt.twin.parameters import Parameters, draw
from edge_rt.twin.plant import Conditions, Plant, State
from edge_rt.twin.shape import Shape

BOARDS = load_boards()
STEP_S = 0.1
INPUT_V, CURRENT_STEP_A = 5.0, 0.008  # of the INA3221 on a module's input


@dataclass(frozen=True)
class Truth:
    """What a fit should find: leakage at the voltage of an idle core."""

    reference_w: float
    doubling_c: float


class Lab:
    """One board on the bench, read ten times a second."""

    def __init__(self, name: str, seed: int) -> None:
        self._shape = Shape.of(BOARDS[name])
        self._known: Parameters = draw(self._shape, seed)
        self._plant = Plant(self._shape, self._known)
        self.time_s = 0.0
        self.extra_w = 0.0  # that other hardware draws

    @property
    def truth(self) -> Truth:
        known, shape = self._known, self._shape
        clock = shape.steps_hz[-1] / shape.top_hz
        voltage = known.voltage_floor + (1.0 - known.voltage_floor) * clock
        return Truth(known.leakage_w * voltage, known.doubling_c)

    def warm(self, hot_c: float, fan_works: bool = False, longest_s: float = 900.0) -> None:
        """From rest, under full load."""
        self._plant.step(1800.0, 0.0)
        for _ in range(round(longest_s)):
            state = self._plant.step(1.0, self._shape.cores, Conditions(fan_works=fan_works))
            if state.chip_c >= hot_c:
                break

    def seconds(self, count: int, busy_cores: float = 0.0) -> Iterator[Idle]:
        """Means over each second of what the sensors say."""
        for _ in range(count):
            states = [self._plant.step(STEP_S, busy_cores) for _ in range(round(1.0 / STEP_S))]
            self.time_s += 1.0
            yield Idle(fmean(map(self._temp_c, states)), fmean(map(self._power_w, states)))

    def _temp_c(self, state: State) -> float:
        step_c = self._shape.prior.zone_step_c
        return round(state.chip_c / step_c) * step_c

    def _power_w(self, state: State) -> float:
        power_w = state.total_w + self.extra_w
        if "VDD_IN" not in self._shape.board.rails:
            return power_w  # a Pi's power chip tells microamperes
        current_a = round(power_w / INPUT_V / CURRENT_STEP_A) * CURRENT_STEP_A
        return INPUT_V * current_a
