"""Sensors of the second plant: late, in steps, with noise, with faults, at the board's rate."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence

from benchlib.plant_figures import Figures
from benchlib.plant_load import Fault

_JUMPS = 0.3  # probability that a jumping sensor's reading is
_JUMP = 3.0  # times, or one over so many times, the true one
_ZONE_PERIOD_S = 0.5  # between two readings of a temperature
_ZONE_NOISE_C = 0.12


class SupplySensor:
    """Readings of the supply, averaged over looks as an energy meter does.

    A reading is the power of a short time, mixed with that of the step before. The energy between
    two readings is that of their mean; a counter of energy has the true one. Each reading can be
    looked at `delay_s` after it was taken.
    """

    def __init__(self, figures: Figures, dice: random.Random, delay_s: float = 0.0) -> None:
        self._supply, self._late, self._dice = figures.kind.supply, figures.late, dice
        self._period_s = self._supply.period_s
        self._counts = self._supply.meter in ("rapl", "modelled")
        self._before: Sequence[float] | None = None  # a step ago
        self._time_s = 0.0
        self._since_s = 0.0  # since the last reading
        self._true_j = self._counted_j = 0.0  # since the start; counted at the last reading
        self._reading_w: float | None = None
        self._delay_s = delay_s
        # Time from which on it can be seen, mean watts, seconds that it covers.
        self._coming: deque[tuple[float, float, float]] = deque()
        self._power_w: float | None = None
        self._fault: Fault | None = None

    def due(self, dt_s: float) -> bool:
        """Return whether a reading ends with the step that is under way."""
        begin, end = (t / self._period_s + 1e-6 for t in (self._time_s, self._time_s + dt_s))
        return int(end) > int(begin)

    def step(
        self, dt_s: float, rails_w: Sequence[float], power_w: float, fault: Fault | None = None
    ) -> None:
        """`rails_w` at the end of a step whose true mean was `power_w`."""
        due = self.due(dt_s)
        self._fault = fault
        self._time_s += dt_s
        self._since_s += dt_s
        self._true_j += dt_s * power_w
        before, self._before = self._before or rails_w, rails_w
        if due:
            self._take(self._counted_w() if self._counts else self._read(before))

    def look(self) -> float | None:
        """Mean watts since the last look, or the last mean if there is no new reading."""
        energy_j = covered_s = 0.0
        while self._coming and self._coming[0][0] <= self._time_s + 1e-6:
            _, mean_w, seconds = self._coming.popleft()
            energy_j += mean_w * seconds
            covered_s += seconds
        if covered_s > 0.0:
            self._power_w = round(energy_j / covered_s, 6)  # microwatts, as the kernel tells them
        return None if self._fault == "missing" else self._power_w

    def _take(self, watts: float) -> None:
        before = self._reading_w
        if self._fault == "frozen" and before is not None:
            watts = before
        elif self._fault == "jumping" and self._dice.random() < _JUMPS:
            watts *= self._dice.choice((_JUMP, 1.0 / _JUMP))
        self._reading_w = watts
        if before is not None:
            mean_w = watts if self._counts else 0.5 * (before + watts)
            self._coming.append((self._time_s + self._delay_s, mean_w, self._since_s))
        self._since_s = 0.0

    def _counted_w(self) -> float:
        """The mean since the last reading, by a counter of whole steps."""
        step_j = self._supply.step_j
        before_j, self._counted_j = self._counted_j, int(self._true_j / step_j) * step_j
        return (self._counted_j - before_j) / self._since_s

    def _read(self, before: Sequence[float]) -> float:
        """The sum of all rails, each rounded to the steps of its chip."""
        now = self._before or before
        late = self._late
        seen = [late * a + (1.0 - late) * b for a, b in zip(before, now, strict=True)]
        steps = self._supply.steps_w
        rails = seen if len(steps) == len(seen) else [sum(seen)]
        return sum(
            round(watts * self._dice.gauss(1.0, self._supply.noise) / step) * step
            for watts, step in zip(rails, steps, strict=True)
        )


class Thermometer:
    """A zone's temperature: it follows the chip slowly, in the steps of its sensor."""

    def __init__(self, figures: Figures, air_c: float, dice: random.Random) -> None:
        self._lag_s, self._step_c = figures.zone_lag_s, figures.kind.zone_step_c
        self._dice, self._felt_c = dice, air_c
        self._since_s = _ZONE_PERIOD_S
        self.temp_c = air_c  # the last reading

    def step(self, dt_s: float, chip_c: float) -> None:
        """Let `dt_s` pass at this temperature of the chip."""
        self._felt_c += (chip_c - self._felt_c) * min(1.0, dt_s / self._lag_s)
        self._since_s += dt_s
        if self._since_s >= _ZONE_PERIOD_S - 1e-6:
            self._since_s = 0.0
            noisy_c = self._felt_c + self._dice.gauss(0.0, _ZONE_NOISE_C)
            self.temp_c = round(noisy_c / self._step_c) * self._step_c
