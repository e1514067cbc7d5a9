"""The graphics processor of a simulated board: its clock, power, and when it is switched off."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_rt.twin.parameters import REFERENCE_C, Parameters
from edge_rt.twin.shape import Shape

_AWAKE = 0.02  # share of the time at work from which on the clock leaves its lowest step
_OFF_S = 0.5  # without work, after which it is switched off
_MEAN_S = 0.3  # time constant of the load that its driver tells


@dataclass(frozen=True)
class GpuState:
    """The GPU after a step."""

    busy: float  # share of the step
    load: float  # `busy` averaged by its driver
    on: bool
    clock_hz: float
    cap_hz: float  # the highest clock that the throttle allows
    power_w: float


class Gpu:
    """Draws P = gpu_w·busy·V²f + leakage while it is on, V and f as in Plant with its own figures.

    Its clock is the highest that is allowed, and the lowest when there is nothing to do. Where the
    chip is too hot its clock is capped at the same share of the top one as the processor's.
    """

    def __init__(self, shape: Shape, known: Parameters) -> None:
        """The GPU begins switched off."""
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
