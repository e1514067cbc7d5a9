"""A board of the second plant: power, temperatures and throttling, from clocks and work."""

from __future__ import annotations

from collections.abc import Sequence

from benchlib.plant_engine import Pass
from benchlib.plant_figures import Figures
from benchlib.plant_heat import HeatPath
from benchlib.plant_load import Others, Weather

Parts = Sequence[tuple[float, Pass]]  # shares of a time, and what ran in them
Rails = tuple[float, float, float]  # of the processor, of the GPU, of all else

_AWAKE_S = 0.3  # that a clock stays up after the last work
_POLL_S = 0.5  # period of the throttle and of the fan's controller
_HYSTERESIS_C = 5.0
_GATED = 0.3  # share of its leakage that a GPU at rest still has
_GPU_SPINS = 0.55  # power of a thread that waits for the GPU, over that of one that decodes


class PlantBoard:
    """Steps a board; its attributes are those of the last step."""

    def __init__(self, figures: Figures, air_c: float) -> None:
        """Start with all parts at the temperature `air_c`."""
        self.known = figures
        self.heat = HeatPath(figures.path, air_c, figures.gpu is not None)
        self.time_s = 0.0
        self.throttle = 0  # steps by which the clock is held below its top
        self.clock = self._low = figures.kind.steps_hz[0] / figures.kind.steps_hz[-1]
        self.gpu_clock = self._gpu_low = _lowest(figures)
        self.rails_w: Rails = (0.0, 0.0, 0.0)  # means of the last step
        self.all_w = 0.0  # all power, including what no rail shows
        self.busy_cores = 0.0
        self.drive = 0.0  # of the fan
        self.unseen_w = figures.unseen_w
        self._asleep_s = 0.0
        self._points = 0  # of the fan's curve that are reached
        self._rest_w = (0.0, 0.0)  # processor and GPU without the engine
        self._others = Others()

    @property
    def power_w(self) -> float:
        """Mean power of the last step on the rails, which the board's sensor measures."""
        return sum(self.rails_w)

    @property
    def chip_c(self) -> float:
        """The hotter of both dies."""
        heat = self.heat
        return max(heat.die_c, heat.gpu_c) if self.known.gpu is not None else heat.die_c

    def step(
        self,
        dt_s: float,
        parts: Parts,
        others: Others,
        weather: Weather,
        clock: float = 1.0,
        gpu_clock: float = 1.0,
    ) -> None:
        """Let `dt_s` pass; the clocks are the highest ones allowed, as shares of the top ones."""
        self._others = others
        self.busy_cores = min(
            float(self.known.kind.cores), others.cores + sum(share * p.cores for share, p in parts)
        )
        self._wake(dt_s, clock, gpu_clock)
        self._rest_w = self._at_rest_w()
        cpu_w, gpu_w, memory_w = self._drawn_w(parts)
        self.rails_w = self._rails(cpu_w, gpu_w, memory_w)
        loss_w = self._loss_w(cpu_w + gpu_w + memory_w)
        board_w = self._board_w() + loss_w + self.unseen_w
        drive = self.drive if weather.fan_works else 0.0
        heats = (cpu_w, gpu_w, memory_w, board_w)
        self.all_w = sum(heats)
        self.heat.step(dt_s, heats, weather.room_c, drive, weather.shut)
        before, self.time_s = self.time_s, self.time_s + dt_s
        if int(self.time_s / _POLL_S + 1e-6) > int(before / _POLL_S + 1e-6):
            self._look()

    def sample(self, parts: Parts) -> Rails:
        """The rails while `parts` run, with everything else as in the last step."""
        return self._rails(*self._drawn_w(parts))

    def leakage_w(self, temp_c: float) -> tuple[float, float]:
        """Leakage of processor and GPU at rest, both at `temp_c`."""
        known = self.known
        cpu_w = known.leak.watts(temp_c, known.curve.voltage(self._low))
        if known.gpu_leak is None:
            return cpu_w, 0.0
        return cpu_w, _GATED * known.gpu_leak.watts(temp_c, known.curve.voltage(self._gpu_low))

    def _wake(self, dt_s: float, clock: float, gpu_clock: float) -> None:
        steps = self.known.kind.steps_hz
        self._asleep_s = 0.0 if self.busy_cores > 0.05 else self._asleep_s + dt_s
        held = steps[max(0, len(steps) - 1 - self.throttle)] / steps[-1]
        awake = self._asleep_s < _AWAKE_S
        self.clock = max(self._low, min(clock, held)) if awake else self._low
        self.gpu_clock = max(self._gpu_low, gpu_clock) if awake else self._gpu_low

    def _at_rest_w(self) -> tuple[float, float]:
        """Power of processor and GPU with others' work and without the engine's."""
        known, others = self.known, self._others
        voltage = known.curve.voltage(self.clock)
        rate = voltage * voltage * self.clock
        chip = known.processor
        cpu_w = known.leak.watts(self.heat.die_c, voltage)
        if self._asleep_s < _AWAKE_S:
            cpu_w += chip.uncore_w * rate
        cpu_w += chip.switching_w * rate * others.activity * others.cores / known.kind.cores
        return cpu_w, self._gpu_rest_w()

    def _gpu_rest_w(self) -> float:
        known = self.known
        if known.gpu is None or known.gpu_leak is None:
            return 0.0
        share = self._others.gpu
        clock = self.gpu_clock if share > 0.0 else self._gpu_low
        voltage = known.curve.voltage(clock)
        leak_w = known.gpu_leak.watts(self.heat.gpu_c, voltage)
        leak_w *= _GATED + (1.0 - _GATED) * min(1.0, share)
        return leak_w + known.gpu.switching_w * voltage * voltage * clock * share

    def _drawn_w(self, parts: Parts) -> Rails:
        """Power of processor, GPU and memory while `parts` run."""
        known, kind = self.known, self.known.kind
        cpu_w, gpu_w = self._rest_w
        memory_w = 0.1 * known.memory_w * min(1.0, self._others.cores)
        voltage = known.curve.voltage(self.clock)
        one_w = known.processor.switching_w * voltage * voltage * self.clock
        for share, part in parts:
            memory_w += share * known.memory_w * part.traffic
            if part.gpu:
                gpu_w += share * self._gpu_pass_w(part) * part.toll
                cpu_w += share * one_w * _GPU_SPINS / kind.cores
            else:
                ratio = 1.0 + (known.prompt_ratio - 1.0) * part.computing**2
                together = (part.cores / kind.cores) ** known.gather
                cpu_w += share * one_w * together * ratio * part.toll
        return cpu_w, gpu_w, memory_w

    def _gpu_pass_w(self, part: Pass) -> float:
        """Return what a pass adds to the GPU's rail."""
        known = self.known
        if known.gpu is None or known.gpu_leak is None:
            return 0.0
        voltage = known.curve.voltage(self.gpu_clock)
        ratio = 1.0 + (known.gpu_ratio - 1.0) * part.computing**2
        room = 1.0 - min(1.0, self._others.gpu) / 2.0  # two programs take turns
        leak_w = (1.0 - _GATED) * known.gpu_leak.watts(self.heat.gpu_c, voltage)
        return room * (known.gpu.switching_w * voltage * voltage * self.gpu_clock * ratio + leak_w)

    def _rails(self, cpu_w: float, gpu_w: float, memory_w: float) -> Rails:
        rest_w = memory_w + self._board_w()
        if self.known.kind.supply.lossy:
            rest_w += self._loss_w(cpu_w + gpu_w + memory_w)
        return cpu_w, gpu_w, rest_w

    def _board_w(self) -> float:
        """Power of everything except chip and memory, which drifts with the temperature."""
        drift_w = self.known.drift_w_per_k * (self.heat.board_c - 40.0)
        return self.known.static_w + drift_w + self._others.rail_w

    def _loss_w(self, load_w: float) -> float:
        """Losses of the regulators: a share of the load, and those of their resistance."""
        return self.known.loss * load_w + self.known.loss_per_w * load_w * load_w

    def _look(self) -> None:
        """Set throttle and fan by the chip's temperature."""
        kind, chip_c = self.known.kind, self.chip_c
        lowest = len(kind.steps_hz) - 1
        if kind.hot_c is not None and chip_c >= kind.hot_c:
            self.throttle = lowest
        elif chip_c >= kind.trip_c:
            self.throttle = min(lowest, self.throttle + 1)
        elif chip_c < kind.trip_c - _HYSTERESIS_C and self.throttle:
            self.throttle -= 1
        points = kind.fan_points
        while self._points < len(points) and chip_c >= points[self._points][0]:
            self._points += 1
        while self._points and chip_c < points[self._points - 1][0] - _HYSTERESIS_C:
            self._points -= 1
        self.drive = points[self._points - 1][1] if self._points else 0.0


def _lowest(figures: Figures) -> float:
    gpu = figures.gpu
    return 1.0 if gpu is None else gpu.steps_hz[0] / gpu.steps_hz[-1]
