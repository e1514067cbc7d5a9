"""What the board itself does about heat: it turns its fan up and its clock down."""

from __future__ import annotations

from collections.abc import Sequence

_POLL_S = 1.0  # one step of the clock a second, as the kernel's step-wise governor polls


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
