"""The physics of a board: busy cores and a busy GPU in, watts and degrees out.

SI units, no files, no clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_rt.twin.components import FanCurve, GpuModel, GpuState, Ladder, Throttle
from edge_rt.twin.shape import REFERENCE_C, Parameters, RailShare, Shape

_LONGEST_STEP_S = 0.25  # leakage and the clock follow the temperature at least this often
_MOST_STEPS = 400  # of one call: after a long sleep steps are longer instead
_AWAKE = 0.05  # busy cores from which on the clock rises from its lowest step
_UNDER_VOLTAGE = 0.92  # of the usual voltage: 4.6 V in place of 5.0 V


@dataclass(frozen=True)
class Conditions:
    """What happens to the board from outside."""

    ambient_c: float = 25.0
    fan_works: bool = True
    under_voltage: bool = False


@dataclass(frozen=True)
class PlantState:
    """The board after a step. Energies count from the start; rails are the profile's."""

    time_s: float
    temps_c: tuple[float, ...]  # of the nodes, the chip first
    busy_cores: float
    clocks_hz: tuple[float, ...]  # by policy
    cap_hz: float  # the highest clock that the throttle allows
    throttle_state: int
    fan_state: int
    fan_duty: float
    fan_works: bool
    under_voltage: bool
    total_w: float
    rails_w: Mapping[str, float]
    voltages_v: Mapping[str, float]
    energies_j: Mapping[str, float]
    off: bool  # too hot: a board would have switched itself off
    gpu: GpuState | None = None  # None: there is no GPU

    @property
    def chip_c(self) -> float:
        """The hottest node's temperature."""
        return self.temps_c[0]


@dataclass(frozen=True)
class _Use:
    """What is done with the board, and the clocks that its users allow for that."""

    cores: float
    limits_hz: tuple[float, ...]
    gpu: float
    gpu_limit_hz: float | None


class Plant:
    """A board that warms, throttles and cools; the same for the same parameters and inputs.

    P = static + core_w·busy·V²f + leakage·V·2^((T - 45 °C)/doubling), V and f as fractions of
    those at the top clock and V = floor + (1 - floor)·f. Switching and leakage heat the chip,
    static power the node behind it; a GPU's power comes on top of both, on the same chip. The
    formula is our own simplification.
    """

    def __init__(self, shape: Shape, parameters: Parameters, ambient_c: float = 25.0) -> None:
        """Begin with a board that has lain unpowered at `ambient_c`."""
        self._shape, self._known = shape, parameters
        self._heat = Ladder(
            parameters.resistances_c_per_w, parameters.capacities_j_per_c, ambient_c
        )
        self._fan = FanCurve(shape.fan_points, shape.hysteresis_c)
        self._throttle = Throttle(shape.steps_hz, shape.throttle_c, shape.hot_c, shape.hysteresis_c)
        self._gpu = GpuModel(shape, parameters) if shape.gpu_steps_hz else None
        self.time_s = 0.0  # since the start
        self._carried = carried(shape)
        self._energies_j = dict.fromkeys(shape.board.rails, 0.0)
        self._off = False

    def step(
        self,
        dt_s: float,
        busy_cores: float,
        conditions: Conditions = Conditions(),
        limits_hz: Sequence[float] | None = None,
        gpu_busy: float = 0.0,
        gpu_limit_hz: float | None = None,
    ) -> PlantState:
        """Let `dt_s` pass with `busy_cores` at work on average, and the GPU for a share of it.

        `limits_hz` are the highest clocks that users of cpufreq allow, by policy, and
        `gpu_limit_hz` is the GPU's.
        """
        busy = min(max(0.0, busy_cores), float(self._shape.cores))
        count = min(_MOST_STEPS, max(1, math.ceil(dt_s / _LONGEST_STEP_S)))
        limits = tuple(limits_hz or (self._shape.top_hz,) * len(self._shape.policies))
        use = _Use(busy, limits, gpu_busy, gpu_limit_hz)
        state = self._part(dt_s / count, use, conditions)
        for _ in range(count - 1):
            state = self._part(dt_s / count, use, conditions)
        return state

    def _part(self, dt_s: float, use: _Use, conditions: Conditions) -> PlantState:
        clocks = self._clocks(use.cores, conditions, use.limits_hz)
        static_w, dynamic_w, leakage_w = self._powers(use.cores, clocks)
        gpu = self._gpu_state(dt_s, use)
        gpu_w = 0.0 if gpu is None else gpu.power_w
        self._warm(dt_s, static_w, dynamic_w + leakage_w + gpu_w, conditions)
        rails = {
            label: share.static * static_w
            + share.dynamic * dynamic_w
            + share.leakage * leakage_w
            + share.gpu * gpu_w
            for label, share in self._carried.items()
        }
        for label, power_w in rails.items():
            self._energies_j[label] += power_w * dt_s
        self.time_s += dt_s
        chip_c = self._heat.temps_c[0]
        self._fan.update(chip_c)
        self._throttle.update(dt_s, chip_c)
        self._off |= chip_c >= self._shape.critical_c
        return PlantState(
            self.time_s,
            tuple(self._heat.temps_c),
            use.cores,
            clocks,
            self._cap_hz(conditions),
            self._throttle.state,
            self._fan.state,
            self._fan.duty,
            conditions.fan_works,
            conditions.under_voltage,
            static_w + dynamic_w + leakage_w + gpu_w,
            rails,
            self._voltages(clocks, conditions),
            dict(self._energies_j),
            self._off,
            gpu,
        )

    def _clocks(
        self, busy: float, conditions: Conditions, limits_hz: tuple[float, ...]
    ) -> tuple[float, ...]:
        low_hz = self._shape.steps_hz[-1]
        if busy < _AWAKE:
            return (low_hz,) * len(limits_hz)
        cap_hz = self._cap_hz(conditions)
        return tuple(max(low_hz, min(limit_hz, cap_hz)) for limit_hz in limits_hz)

    def _cap_hz(self, conditions: Conditions) -> float:
        """Return the cap; a Pi's firmware goes to the lowest clock when the supply sags."""
        if conditions.under_voltage and self._shape.firmware_throttles:
            return self._shape.steps_hz[-1]
        return self._throttle.cap_hz

    def _powers(self, busy: float, clocks_hz: tuple[float, ...]) -> tuple[float, float, float]:
        """Return static, switching and leakage power.

        All policies are equally busy for their size.
        """
        if self._off:
            return 0.0, 0.0, 0.0
        known, cores = self._known, self._shape.cores
        dynamic = voltage = 0.0
        for policy, clock_hz in zip(self._shape.policies, clocks_hz, strict=True):
            clock, volts = clock_hz / self._shape.top_hz, self._core_voltage(clock_hz)
            dynamic += len(policy) / cores * volts * volts * clock
            voltage += len(policy) / cores * volts
        hotter = 2.0 ** ((self._heat.temps_c[0] - REFERENCE_C) / known.doubling_c)
        return known.static_w, known.core_w * busy * dynamic, known.leakage_w * voltage * hotter

    def _gpu_state(self, dt_s: float, use: _Use) -> GpuState | None:
        if self._gpu is None:
            return None
        busy = 0.0 if self._off else use.gpu
        allowed = self._throttle.cap_hz / self._shape.top_hz
        return self._gpu.step(dt_s, busy, self._heat.temps_c[0], allowed, use.gpu_limit_hz)

    def _core_voltage(self, clock_hz: float) -> float:
        """Return the core voltage as a fraction of that at the top clock."""
        floor = self._known.voltage_floor
        return floor + (1.0 - floor) * clock_hz / self._shape.top_hz

    def _warm(self, dt_s: float, static_w: float, chip_w: float, conditions: Conditions) -> None:
        powers = [0.0] * len(self._heat.temps_c)
        powers[0] += chip_w
        powers[min(1, len(powers) - 1)] += static_w
        duty = self._fan.duty if conditions.fan_works else 0.0
        self._heat.step(dt_s, powers, conditions.ambient_c, 1.0 + self._known.fan_gain * duty)

    def _voltages(
        self, clocks_hz: tuple[float, ...], conditions: Conditions
    ) -> Mapping[str, float]:
        """Return the voltages: inputs sag with the supply, the Pi's core follows its clock."""
        scale = _UNDER_VOLTAGE if conditions.under_voltage else 1.0
        found: dict[str, float] = {}
        for label, rail in self._shape.board.rails.items():
            volts = self._carried[label].voltage_v
            if rail.chip != "pmic":
                volts *= scale
            elif label == "VDD_CORE":
                volts *= self._core_voltage(max(clocks_hz))
            found[label] = volts
        return found


def carried(shape: Shape) -> dict[str, RailShare]:
    """Return what each rail carries, what it feeds included."""
    rails = shape.board.rails

    def of(label: str) -> RailShare:
        own = shape.prior.shares.get(label, RailShare())
        parts = [own, *(of(name) for name, rail in rails.items() if rail.part_of == label)]
        return RailShare(
            sum(part.static for part in parts),
            sum(part.dynamic for part in parts),
            sum(part.leakage for part in parts),
            own.voltage_v,
            sum(part.gpu for part in parts),
        )

    return {label: of(label) for label in rails}
