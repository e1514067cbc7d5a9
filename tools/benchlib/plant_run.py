"""A scene on the second plant, under a controller that sees readings of sensors and engine."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchlib.plant_board import PlantBoard
from benchlib.plant_engine import Pass, PlantEngine
from benchlib.plant_figures import Figures
from benchlib.plant_load import QUIET, Others, Program, Work
from benchlib.plant_sensors import SupplySensor, Thermometer
from benchlib.trace import STEP_S, Trace, steps
from edge_rt.board.readers.modelled import power_scale
from edge_rt.config.board import Board
from edge_rt.core.limits import Limits, Observation

LOOK_STEPS = 2  # between two looks of the controller
_TICK_S = 0.01  # of the kernel's clock for processor time
_FLOOR = 0.6  # of the voltage, as the product's model of a board without a sensor has it

Control = Callable[[Observation], Limits]


@dataclass(frozen=True)
class Scene:
    """The conditions of a run. `profile` is the product's own profile of the board.

    - delay_s: from a reading of power to the first look that sees it
    - deaf_clock: limits of the clock are accepted, read back as asked, and have no effect
    - varied: by how much the power of one request may differ from the mean, as a share
    - weak_w, weak_until_s: until then the supply sags whenever more than so many watts are drawn
    """

    figures: Figures
    profile: Board
    work: Work
    seed: int
    seconds: float
    program: Program = QUIET
    idle_s: float = 2.0  # before the first request
    on_gpu: bool = False
    start_c: float | None = None  # of the whole board; None: of the room
    delay_s: float = 0.0
    deaf_clock: bool = False
    varied: float = 0.0
    weak_w: float = math.inf
    weak_until_s: float = math.inf


def simulate(scene: Scene, control: Control | Limits) -> Trace:
    """Run `scene` under `control`, or under the same limits for ever."""
    return Run(scene, control).finish()


def constant(
    threads: int,
    duty: float,
    cpu_hz: float | None = None,
    gpu_hz: float | None = None,
    chunk: int = 0,
) -> Limits:
    """Constant limits."""
    return Limits(threads, duty, prefill_chunk=chunk or None, cpu_hz=cpu_hz, gpu_hz=gpu_hz)


class Run:
    """One run, which may be taken step by step."""

    def __init__(self, scene: Scene, control: Control | Limits) -> None:
        self.scene = scene
        self._control = None if isinstance(control, Limits) else control
        figures, kind = scene.figures, scene.figures.kind
        air_c = scene.program.weather_at(0.0).room_c
        start_c = air_c if scene.start_c is None else scene.start_c
        dice = random.Random(f"sensors {scene.seed}")
        self.board = PlantBoard(figures, start_c)
        self.engine = PlantEngine(
            figures, scene.work, scene.seed, scene.idle_s, scene.on_gpu, scene.varied
        )
        self._supply = SupplySensor(figures, dice, scene.delay_s)
        self._zone = Thermometer(figures, start_c, dice)
        self._aperture_s = min(figures.aperture_s, STEP_S)
        self._modelled = kind.supply.meter == "modelled"
        self._limits = control if isinstance(control, Limits) else Limits(kind.cores)
        self._clock = self._gpu_clock = 1.0  # as allowed
        self._told_clock = 1.0  # as read back
        self._others = Others()
        self._sagged = False  # since the last look
        self.trace = Trace()
        self._cpu_s = self._cpu_told_s = 0.0  # of the engine since the start
        self._others_s = self._gpu_s = self._gpu_busy_s = 0.0  # since the last look
        self._obey(self._limits, 0.0)

    def finish(self) -> Trace:
        """Run to the end of the scene."""
        for step in range(steps(self.scene.seconds)):
            self.step(step)
        return self.trace

    def step(self, step: int) -> None:
        """Run a tenth of a second, and a look if one is due."""
        begin, end = step * STEP_S, (step + 1) * STEP_S
        self._advance(begin, end)
        if (step + 1) % LOOK_STEPS == 0:
            self._look(end)

    def _advance(self, begin: float, end: float) -> None:
        board, engine, program = self.board, self.engine, self.scene.program
        self._others = others = program.others_at(begin)
        engine.others, engine.others_gpu = others.cores, others.gpu
        engine.clock, engine.gpu_clock = self._awake_clocks()
        engine.run(end)
        parts = list(engine.parts(begin, end))
        board.step(STEP_S, parts, others, program.weather_at(begin), self._clock, self._gpu_clock)
        power_w = self._modelled_w() if self._modelled else board.power_w
        if begin < self.scene.weak_until_s and board.power_w > self.scene.weak_w:
            self._sagged = True
        if self._control is not None:
            self._sense(end, parts, power_w)
        self._note(power_w)

    def _sense(self, end: float, parts: Sequence[tuple[float, Pass]], power_w: float) -> None:
        """Let all sensors and counters see the last step."""
        board, engine, others = self.board, self.engine, self._others
        rails_w = board.rails_w
        if self._supply.due(STEP_S) and not self._modelled:
            rails_w = board.sample(list(engine.parts(end - self._aperture_s, end)))
        self._supply.step(STEP_S, rails_w, power_w, self.scene.program.fault_at(end - STEP_S))
        self._zone.step(STEP_S, board.chip_c)
        self._cpu_s += STEP_S * sum(share * p.cores for share, p in parts)
        self._others_s += STEP_S * min(others.cores, board.busy_cores)
        ours = sum(share for share, p in parts if p.gpu)
        self._gpu_s += STEP_S * ours
        self._gpu_busy_s += STEP_S * min(1.0, ours + others.gpu)

    def _note(self, power_w: float) -> None:
        trace = self.trace
        trace.power_w.append(power_w)
        trace.temp_c.append(self.board.chip_c)
        trace.throttle.append(self.board.throttle)
        trace.tokens.append(0)
        trace.read.append(0)

    def _awake_clocks(self) -> tuple[float, float]:
        """Clocks of a pass that begins now."""
        hz = self.scene.figures.kind.steps_hz
        held = hz[max(0, len(hz) - 1 - self.board.throttle)] / hz[-1]
        return max(hz[0] / hz[-1], min(self._clock, held)), self._gpu_clock

    def _modelled_w(self) -> float:
        """The power that the product models for a board without a power sensor."""
        draw, kind = self.scene.profile.draw, self.scene.figures.kind
        if draw.idle_w is None or draw.loaded_w is None:
            raise ValueError(f"{kind.profile} has no figures to model its power with")
        core_w = (draw.loaded_w.value - draw.idle_w.value) / kind.cores
        return draw.idle_w.value + self.board.busy_cores * core_w * power_scale(
            self.board.clock, _FLOOR
        )

    def _look(self, now_s: float) -> None:
        passes = self.engine.take(now_s)
        self.trace.tokens[-1] = sum(p.tokens for p in passes)
        self.trace.read[-1] = sum(p.prompt_tokens for p in passes)
        if self._control is not None:
            self._limits = self._control(self._seen(now_s, passes))
            self._obey(self._limits, now_s)
        self.trace.limits.append(self._limits)

    def _obey(self, limits: Limits, now_s: float) -> None:
        engine, kind = self.engine, self.scene.figures.kind
        engine.threads = max(1, min(limits.threads, kind.cores))
        prompt_duty = limits.duty if limits.prompt_duty is None else limits.prompt_duty
        engine.pace(limits.duty, prompt_duty, now_s)
        engine.chunk = limits.prefill_chunk or 0
        engine.admitting = limits.admission == "open"
        self._told_clock = _share(limits.cpu_hz, kind.steps_hz)
        self._clock = 1.0 if self.scene.deaf_clock else self._told_clock
        if kind.gpu is not None:
            self._gpu_clock = _share(limits.gpu_hz, kind.gpu.steps_hz)

    def _seen(self, now_s: float, passes: Sequence[Pass]) -> Observation:
        kind, engine, seconds = self.scene.figures.kind, self.engine, LOOK_STEPS * STEP_S
        others, self._others_s = self._others_s / seconds, 0.0
        gpu_load, self._gpu_busy_s = self._gpu_busy_s / seconds, 0.0
        sagged, self._sagged = self._sagged, False
        gpu_s, self._gpu_s = self._gpu_s, 0.0  # the engine notes a pass under way, too
        return Observation(
            time_s=now_s,
            dt_s=seconds,
            power_w=self._supply.look(),
            temp_c=self._zone.temp_c,
            trip_c=kind.trip_c,
            fan=self.board.drive,
            threads=engine.threads,
            busy_s=sum(p.busy_s for p in passes),
            tokens=sum(p.tokens for p in passes),
            running=engine.running,
            waiting=engine.waiting,
            others=others,
            prompt_s=sum(p.prompt_s for p in passes),
            prompt_tokens=sum(p.prompt_tokens for p in passes),
            cpu_s=self._ticks_s(),
            gpu_s=gpu_s if self.scene.on_gpu else None,
            gpu_load=None if kind.gpu is None else round(gpu_load, 3),
            cpu_hz=kind.steps_hz[-1] * self._told_clock,
            gpu_hz=None if kind.gpu is None else kind.gpu.steps_hz[-1] * self._gpu_clock,
            sag="under_voltage" if sagged else None,
            real_cpu_hz=kind.steps_hz[-1] * self.board.clock,
        )

    def _ticks_s(self) -> float:
        """Processor time of the engine since the last look, in ticks of the kernel's clock."""
        before, self._cpu_told_s = self._cpu_told_s, math.floor(self._cpu_s / _TICK_S) * _TICK_S
        return self._cpu_told_s - before


def _share(limit_hz: float | None, steps_hz: Sequence[float]) -> float:
    """The highest step within a limit, as a share of the top one."""
    if limit_hz is None:
        return 1.0
    within = [hz for hz in steps_hz if hz <= limit_hz * (1.0 + 1e-6)]
    return (within[-1] if within else steps_hz[0]) / steps_hz[-1]
