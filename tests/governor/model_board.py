"""A simulated board with a model engine on it, faster than real time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchlib.plant_load import Work
from benchlib.trace import STEP_S, Trace, steps
from model_engine import ModelEngine, Pass, Speed

from edge_rt.config.board import Board
from edge_rt.core.limits import Limits, Observation
from edge_rt.twin.plant import Conditions, Plant, PlantState
from edge_rt.twin.run import Script
from edge_rt.twin.shape import Shape, draw

CONTROL_STEPS = 2  # between two looks of the governor
TICK_S = 0.01
LATE_STEPS = 1  # from the board to the reading

Control = Callable[[Observation], Limits]


@dataclass(frozen=True)
class Scene:
    """What a run is made of. `hog` tells the cores that others want at a time."""

    board: Board
    seed: int
    speed: Speed
    work: Work
    seconds: float
    script: Script | None = None
    ambient_c: float = 25.0
    idle_s: float = 2.0  # before the first request
    hog: Callable[[float], float] = lambda _time_s: 0.0
    power_sensor: Callable[[float], bool] = lambda _time_s: True
    temp_sensor: Callable[[float], bool] = lambda _time_s: True
    warm_c: float | None = None  # where the board starts; None: at the ambient
    period_s: float | None = None  # over which the supply's energy is counted


def simulate(scene: Scene, control: Control) -> Trace:
    """Run `scene` under `control`."""
    return _Run(scene, control).trace()


def constant(threads: int, duty: float) -> Control:
    """Return the same limits for ever."""
    limits = Limits(threads, duty)
    return lambda _seen: limits


class _Run:
    def __init__(self, scene: Scene, control: Control) -> None:
        self._scene, self._control = scene, control
        self._shape = Shape.of(scene.board)
        start_c = scene.ambient_c if scene.warm_c is None else scene.warm_c
        self._plant = Plant(self._shape, draw(self._shape, scene.seed), start_c)
        self._engine = ModelEngine(
            self._shape.cores, scene.speed, scene.work, scene.seed, scene.idle_s
        )
        self._period_s = (
            0.25 if "VDD_CORE" in scene.board.rails else STEP_S
        )  # of the supply's sensor
        self._states: deque[PlantState] = deque(maxlen=LATE_STEPS + 1)
        self._powers: list[float] = []  # as read at each step since the last look
        self._held: PlantState | None = None  # the last reading of the supply
        self._trace = Trace()
        self._limit_hz = self._shape.top_hz  # of the clock, as the controller has it
        self._cpu = 0.0  # core seconds of the engine so far
        self._cpu_told = 0.0
        self._period_j = 0.0

    def trace(self) -> Trace:
        for step in range(steps(self._scene.seconds)):
            self._step(step)
            if (step + 1) % CONTROL_STEPS == 0:
                self._look((step + 1) * STEP_S)
        return self._trace

    def _step(self, step: int) -> None:
        scene, engine, begin = self._scene, self._engine, step * STEP_S
        end = begin + STEP_S
        engine.hog = scene.hog(begin)
        engine.run(end)
        busy = engine.busy_cores(begin, end)
        free = self._shape.cores - min(busy, float(self._shape.cores))
        at = Conditions(scene.ambient_c)
        state = self._plant.step(
            STEP_S,
            busy + min(engine.hog, free),
            scene.script.conditions(begin) if scene.script else at,
            (self._limit_hz,) * len(self._shape.policies),
        )
        self._states.append(state)
        if int(end / self._period_s + 1e-6) > int(begin / self._period_s + 1e-6):
            self._held = self._states[0]
        self._powers.append(self._held.total_w if self._held else state.total_w)
        self._trace.power_w.append(state.total_w)
        self._trace.temp_c.append(state.chip_c)
        self._trace.throttle.append(state.throttle_state)
        self._trace.tokens.append(0)
        self._trace.read.append(0)
        self._cpu += busy * STEP_S
        if scene.period_s and end % scene.period_s < STEP_S:
            self._period_j = 0.0
        self._period_j += state.total_w * STEP_S

    def _look(self, now_s: float) -> None:
        passes = self._engine.take(now_s)
        self._trace.tokens[-1] = sum(p.tokens for p in passes)
        self._trace.read[-1] = sum(p.prompt_tokens for p in passes)
        limits = self._control(self._seen(now_s, passes))
        self._engine.threads = min(limits.threads, self._shape.cores)
        prompt_duty = limits.duty if limits.prompt_duty is None else limits.prompt_duty
        self._engine.pace(limits.duty, prompt_duty, now_s)
        self._engine.prefill_chunk = limits.prefill_chunk or self._scene.speed.chunk
        self._engine.admitting = limits.admission == "open"
        self._turn(limits.cpu_hz)
        self._trace.limits.append(limits)

    def _turn(self, limit_hz: float | None) -> None:
        """Hold the clock to its highest step within the limit; None: to none."""
        steps_hz = self._shape.steps_hz
        within = [hz for hz in steps_hz if limit_hz is None or hz <= limit_hz]
        self._limit_hz = max(within, default=min(steps_hz))
        self._engine.clock = self._limit_hz / self._shape.top_hz

    def _cpu_s(self) -> float:
        """Return the CPU seconds since the last look, in ticks of the kernel's clock."""
        before, self._cpu_told = self._cpu_told, math.floor(self._cpu / TICK_S) * TICK_S
        return self._cpu_told - before

    def _seen(self, now_s: float, passes: Sequence[Pass]) -> Observation:
        scene, state = self._scene, self._states[0]
        power_w = sum(self._powers) / len(self._powers)
        self._powers.clear()
        zone_step_c = self._shape.prior.zone_step_c
        return Observation(
            time_s=now_s,
            dt_s=STEP_S * CONTROL_STEPS,
            power_w=power_w if scene.power_sensor(now_s) else None,
            temp_c=round(state.chip_c / zone_step_c) * zone_step_c
            if scene.temp_sensor(now_s)
            else None,
            trip_c=self._shape.throttle_c,
            fan=state.fan_duty,
            threads=self._engine.threads,
            busy_s=sum(p.busy_s for p in passes),
            tokens=sum(p.tokens for p in passes),
            running=self._engine.running,
            waiting=self._engine.waiting,
            others=self._engine.others,
            supply_j=self._period_j if scene.period_s else None,
            period_left_s=scene.period_s and scene.period_s - now_s % scene.period_s,
            cpu_s=self._cpu_s(),
            prompt_s=sum(p.prompt_s for p in passes),
            prompt_tokens=sum(p.prompt_tokens for p in passes),
            cpu_hz=self._limit_hz,
        )
