"""Components of the plant: heat ladder, GPU, fan curve and throttle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_rt.twin.shape import REFERENCE_C, Parameters, Shape

_AWAKE = 0.02  # share of the time at work from which on the clock leaves its lowest step
_OFF_S = 0.5  # without work, after which it is switched off
_MEAN_S = 0.3  # time constant of the load that its driver tells
_POLL_S = 1.0  # one step of the clock a second, as the kernel's step-wise governor polls


@dataclass(frozen=True)
class GpuState:
    """The GPU after a step."""

    busy: float  # share of the step
    load: float  # `busy` averaged by its driver
    on: bool
    clock_hz: float
    cap_hz: float  # the highest clock that the throttle allows
    power_w: float


class GpuModel:
    """Draws P = gpu_w·busy·V²f + leakage while it is on, V and f as in Plant with its own figures.

    Its clock is the highest that is allowed, and the lowest when there is nothing to do. Where the
    chip is too hot its clock is capped at the same share of the top one as the processor's.
    """

    def __init__(self, shape: Shape, known: Parameters) -> None:
        """Begin with the GPU switched off."""
        self._known = known
        self._top_hz, self._low_hz = shape.gpu_steps_hz[0], shape.gpu_steps_hz[-1]
        self._load = 0.0
        self._idle_s = math.inf

    def step(
        self, dt_s: float, busy: float, chip_c: float, allowed: float, limit_hz: float | None
    ) -> GpuState:
        """Let `dt_s` pass with the GPU busy for the share `busy` of it.

        The throttle allows the share `allowed` of the top clock, and users of devfreq allow
        `limit_hz`; None: the top clock.
        """
        busy = min(max(0.0, busy), 1.0)
        self._idle_s = 0.0 if busy else self._idle_s + dt_s
        self._load += (busy - self._load) * -math.expm1(-dt_s / _MEAN_S)
        cap_hz = max(self._low_hz, allowed * self._top_hz)
        top_hz = min(cap_hz, max(self._low_hz, limit_hz or self._top_hz))
        clock_hz = top_hz if busy >= _AWAKE else self._low_hz
        on = self._idle_s < _OFF_S
        power_w = self._power_w(busy, clock_hz, chip_c) if on else 0.0
        return GpuState(busy, self._load, on, clock_hz, cap_hz, power_w)

    def _power_w(self, busy: float, clock_hz: float, chip_c: float) -> float:
        known, clock = self._known, clock_hz / self._top_hz
        voltage = known.gpu_voltage_floor + (1.0 - known.gpu_voltage_floor) * clock
        leakage_w = known.gpu_leakage_w * 2.0 ** ((chip_c - REFERENCE_C) / known.doubling_c)
        return known.gpu_w * busy * voltage * voltage * clock + leakage_w * voltage


class Ladder:
    """Temperatures of nodes in a row; the last one loses its heat to the air.

    C_i·dT_i/dt = P_i + (T_(i-1) - T_i)/R_(i-1) - (T_i - T_(i+1))/R_i, with the air behind the
    last node. Backward Euler: stable at any step, exact in the steady state.
    """

    def __init__(
        self,
        resistances_c_per_w: Sequence[float],
        capacities_j_per_c: Sequence[float],
        temp_c: float,
    ) -> None:
        """Begin with all nodes at `temp_c`."""
        self.temps_c = [temp_c] * len(capacities_j_per_c)
        self._inner = list(resistances_c_per_w[:-1])
        self._outer = resistances_c_per_w[-1]
        self._capacities = list(capacities_j_per_c)

    def step(self, dt_s: float, powers_w: Sequence[float], air_c: float, cooling: float) -> None:
        """`powers_w` flow into the nodes; `cooling` divides the resistance to the air."""
        links = [1.0 / r for r in self._inner]  # W/K from each node to the next
        to_air = cooling / self._outer
        size = len(self.temps_c)
        diagonal = [c / dt_s for c in self._capacities]
        right = [d * t + p for d, t, p in zip(diagonal, self.temps_c, powers_w, strict=True)]
        for node, link in enumerate(links):
            diagonal[node] += link
            diagonal[node + 1] += link
        diagonal[-1] += to_air
        right[-1] += to_air * air_c
        for node, link in enumerate(links):  # eliminate downwards, then put in upwards
            factor = link / diagonal[node]
            diagonal[node + 1] -= factor * link
            right[node + 1] += factor * right[node]
        self.temps_c[-1] = right[-1] / diagonal[-1]
        for node in range(size - 2, -1, -1):
            above = links[node] * self.temps_c[node + 1]
            self.temps_c[node] = (right[node] + above) / diagonal[node]


class FanCurve:
    """A fan that follows points of temperature and duty, slower to calm down than to start."""

    def __init__(self, points: Sequence[tuple[float, float]], hysteresis_c: float) -> None:
        self.state = 0  # 0: still; N: at the duty of the Nth point
        self._points = tuple(points)
        self._hysteresis_c = hysteresis_c

    @property
    def duty(self) -> float:
        """How hard the fan is driven, 0 to 1."""
        return self._points[self.state - 1][1] if self.state else 0.0

    def update(self, temp_c: float) -> None:
        """Follow the chip's temperature."""
        while self.state < len(self._points) and temp_c >= self._points[self.state][0]:
            self.state += 1
        while self.state and temp_c < self._points[self.state - 1][0] - self._hysteresis_c:
            self.state -= 1


class Throttle:
    """Steps the clock down at the trip point, and up again once it is cooler by the hysteresis."""

    def __init__(
        self, steps_hz: Sequence[float], trip_c: float, hot_c: float | None, hysteresis_c: float
    ) -> None:
        """`steps_hz` go from the top down; at `hot_c` the last one is taken at once."""
        self.state = 0
        self._steps_hz = tuple(steps_hz)
        self._trip_c, self._hot_c, self._hysteresis_c = trip_c, hot_c, hysteresis_c
        self._wait_s = 0.0

    @property
    def cap_hz(self) -> float:
        """The highest clock that is allowed now."""
        return self._steps_hz[self.state]

    def update(self, dt_s: float, temp_c: float) -> None:
        """Follow the chip's temperature after `dt_s` more seconds."""
        lowest = len(self._steps_hz) - 1
        self._wait_s -= dt_s
        if self._hot_c is not None and temp_c >= self._hot_c:
            self.state = lowest
        elif self._wait_s > 0.0:
            return
        elif temp_c >= self._trip_c:
            self.state = min(lowest, self.state + 1)
        elif temp_c < self._trip_c - self._hysteresis_c:
            self.state = max(0, self.state - 1)
        else:
            return
        self._wait_s = _POLL_S
