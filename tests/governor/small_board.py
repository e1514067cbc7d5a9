"""A small board with an engine, of the tests' own: none of it is taken from the twin.

The engine makes one pass after the other and rests after each as the limits say. A pass reads a
piece of one prompt, or makes a token of each stream. Power is `rest_w`, what the pass under way
adds, and what others draw; a supply's sensor averages it over its period, late and with noise.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from edge_rt.core.limits import Limits, Observation
from edge_rt.governor.policy.governor import Governor

STEP_S, LOOK_S = 0.02, 0.2
BEGIN_S = 2.0  # of the first requests
STEPS = round(LOOK_S / STEP_S)
READS, DECODES = 0.99, 0.96  # of a core: what a thread uses within a pass
AWAKE = 0.3  # of a core: what a thread that waits for a GPU uses


@dataclass(frozen=True)
class Board:
    """Watts and tokens a second; draws are those of all cores at the top clock, or of the GPU."""

    cores: int = 4
    rest_w: float = 2.7
    draw_w: float = 4.8  # of decoding all the time
    prompts: float = 1.12  # times that: reading prompts
    bend: float = 0.1  # of a core's draw, that few threads draw more than their part
    decode: float = 30.0  # passes a second
    read: float = 250.0  # tokens of prompts a second
    memory: float = 0.4  # of a pass that decodes: neither threads nor clocks shorten it
    exponent: float = 2.2  # of the clock, in the draw
    gpu: bool = False
    period_s: float = 0.1  # of the sensor
    late_s: float = 0.1
    noise: float = 0.005


@dataclass(frozen=True)
class Asked:
    """Requests, one after the other in each stream: tokens of prompts and answers."""

    streams: int = 1
    prompt: int = 100
    answer: int = 150
    pause_s: float = 0.0


@dataclass
class Trace:
    """What truly happened."""

    power_w: list[float] = field(default_factory=list[float])  # by steps
    tokens: int = 0
    work_s: float = 0.0  # that passes would have taken at full speed
    limits: list[Limits] = field(default_factory=list[Limits])
    predicted_w: list[float] = field(default_factory=list[float])

    def kept(self, cap_w: float, begin_s: float = 10.0, window_s: float = 1.0) -> float:
        """The share of windows that are at or under the cap."""
        means = self.windows(begin_s, window_s)
        return sum(mean_w <= cap_w * (1.0 + 1e-9) for mean_w in means) / len(means)

    def windows(self, begin_s: float = 10.0, window_s: float = 1.0) -> list[float]:
        """Their mean watts, one beginning every step."""
        size, powers = round(window_s / STEP_S), self.power_w[round(begin_s / STEP_S) :]
        total, found = sum(powers[:size]), list[float]()
        for k in range(len(powers) - size):
            found.append(total / size)
            total += powers[k + size] - powers[k]
        return found

    def mean_w(self, begin_s: float = 10.0) -> float:
        """From `begin_s` on."""
        part = self.power_w[round(begin_s / STEP_S) :]
        return sum(part) / len(part)


Hidden = Callable[[float], float]


class Run:
    """A board under a governor, or under constant limits."""

    def __init__(
        self,
        board: Board,
        asked: Asked,
        control: Callable[[Observation], Limits],
        hidden: Hidden = lambda _time_s: 0.0,
        seed: int = 0,
    ) -> None:
        self.board, self.asked, self.hidden = board, asked, hidden
        self.control, self._dice = control, random.Random(seed)
        self.limits = Limits(board.cores)
        self.trace = Trace()
        self._streams = [[asked.prompt, asked.answer, BEGIN_S] for _ in range(asked.streams)]
        self._pass: tuple[float, float, bool] | None = None  # begin, end, reads a prompt
        self._drawn_w = self._cores = 0.0  # by the pass under way
        self._free_s = self._begin_s = 0.0
        self._last = 0.0, 0.0, False  # end and length of the last pass, and whether it read
        self._made: list[tuple[float, bool, int, int]] = []  # seconds, kind, tokens, read
        self._cpu_s = self._gpu_busy_s = 0.0
        self._shown: list[float] = []  # by the sensor since the last look
        self._mean_w: float | None = None  # of these, or as it was before
        self._held: list[float] = []

    def run(self, seconds: float) -> Trace:
        """Let time pass."""
        first = len(self.trace.power_w)
        for step in range(first, first + round(seconds / STEP_S)):
            self._step(step)
            if (step + 1) % STEPS == 0:
                self._look((step + 1) * STEP_S)
        return self.trace

    @property
    def clock(self) -> float:
        """As a share of the top one."""
        hz = self.limits.gpu_hz if self.board.gpu else self.limits.cpu_hz
        return 1.0 if hz is None else hz / 1e9

    def own_w(self, reads: bool) -> float:
        """Return what a pass adds while it is under way."""
        board, share = self.board, self.limits.threads / self.board.cores
        if board.gpu:
            share = 1.0
        draw_w = board.draw_w * share * (1.0 + board.bend * (1.0 - share))
        return draw_w * self.clock**board.exponent * (board.prompts if reads else 1.0)

    # --- the engine

    def _step(self, step: int) -> None:
        now, end, joules = step * STEP_S, (step + 1) * STEP_S, 0.0
        while now < end - 1e-9:
            if self._pass is None and self._free_s < end:
                now = max(now, self._free_s)
                self._begin(now)
            if self._pass is None:
                self._free_s = max(self._free_s, min(end, self._next_s(now)))
                now = self._free_s if self._free_s < end else end
                continue
            begin, ends, _ = self._pass
            part_s = max(0.0, min(ends, end) - max(begin, now))
            joules += part_s * self._drawn_w
            self._gpu_busy_s += part_s
            self._cpu_s += part_s * self._cores
            now = min(ends, end)
            if ends <= end:
                self._end()
        power_w = self.board.rest_w + self.hidden(step * STEP_S) + joules / STEP_S
        self.trace.power_w.append(power_w)
        self._sense(step, power_w)

    def _next_s(self, now: float) -> float:
        return min([s[2] for s in self._streams if s[2] > now], default=now + STEP_S)

    def _begin(self, now: float) -> None:
        ready = [s for s in self._streams if s[2] <= now]
        if not ready or self.limits.duty <= 0.0 or self.limits.admission != "open":
            return
        self._reader = next((s for s in ready if s[0] > 0), None)
        speed = self._speed(0.02 if self._reader else self.board.memory)
        if self._reader is not None:
            self._piece = min(int(self._reader[0]), self.limits.prefill_chunk or 128)
            seconds = (0.01 + self._piece / self.board.read) / speed
        else:
            self._piece, seconds = 0, 1.0 / self.board.decode / speed
        seconds *= self._dice.uniform(0.97, 1.03)
        self._pass = now, now + seconds, self._reader is not None
        self._drawn_w = self.own_w(self._reader is not None)
        busy = READS if self._reader is not None else DECODES
        self._cores = AWAKE if self.board.gpu else busy * self.limits.threads

    def _speed(self, memory: float) -> float:
        share = 1.0 if self.board.gpu else self.limits.threads / self.board.cores
        return 1.0 / (memory + (1.0 - memory) / (share * self.clock))

    def _end(self) -> None:
        assert self._pass is not None
        begin, end, reads = self._pass
        made = 0
        for stream in self._streams:
            if stream[2] > begin:
                continue
            if stream is self._reader:
                stream[0] -= self._piece
            elif not reads:
                stream[1] -= 1
                made += 1
            if stream[1] <= 0:
                pause_s = self.asked.pause_s * self._dice.uniform(0.5, 1.5)
                stream[:] = [self.asked.prompt, self.asked.answer, end + pause_s]
        self._made.append((end - begin, reads, made, self._piece))
        self.trace.tokens += made
        board = self.board
        self.trace.work_s += 1.0 / board.decode if made else self._piece / board.read
        self._last = end, end - begin, reads
        self._pass = None
        self._rest(end)

    def _rest(self, now: float) -> None:
        """Rest by the present limits, which may shorten a rest under way."""
        end, seconds, reads = self._last
        prompt_duty = self.limits.prompt_duty or self.limits.duty
        duty = prompt_duty if reads else self.limits.duty
        self._free_s = max(now, end + seconds * (1.0 / max(1e-3, duty) - 1.0))

    # --- observations

    def _sense(self, step: int, power_w: float) -> None:
        self._held.append(power_w)
        size = round(self.board.period_s / STEP_S)
        if (step + 1) % size == 0:
            late = round(self.board.late_s / STEP_S)
            part = self._held[-size - late : len(self._held) - late]
            if part:
                noise = self._dice.gauss(1.0, self.board.noise)
                self._shown.append(sum(part) / len(part) * noise)
            del self._held[: -size - late]

    def _look(self, now_s: float) -> None:
        made, self._made = self._made, []
        cpu_s, self._cpu_s = self._cpu_s, 0.0
        gpu_s, self._gpu_busy_s = self._gpu_busy_s, 0.0
        busy_s = sum(m[0] for m in made)
        if self._shown:
            self._mean_w = sum(self._shown) / len(self._shown)
            self._shown.clear()
        running = sum(s[2] <= now_s for s in self._streams)
        self.limits = self.control(
            Observation(
                time_s=now_s,
                dt_s=LOOK_S,
                power_w=self._mean_w,
                temp_c=45.0,
                trip_c=85.0,
                fan=None,
                threads=self.limits.threads,
                busy_s=busy_s,
                tokens=sum(m[2] for m in made),
                running=running,
                waiting=0,
                others=0.0,
                cpu_s=round(cpu_s, 2),
                prompt_s=sum(m[0] for m in made if m[1]),
                prompt_tokens=sum(m[3] for m in made),
                cpu_hz=self.limits.cpu_hz,
                gpu_hz=self.limits.gpu_hz,
                gpu_s=busy_s if self.board.gpu else None,
                gpu_load=gpu_s / LOOK_S if self.board.gpu else None,
            )
        )
        self.trace.limits.append(self.limits)
        self._rest(now_s)


def governed(
    board: Board, asked: Asked, known: Governor, seconds: float, hidden: Hidden | None = None
) -> Trace:
    """The board under `known`, whose predictions are noted."""
    run = Run(board, asked, known.step) if hidden is None else Run(board, asked, known.step, hidden)

    def control(seen: Observation) -> Limits:
        limits = known.step(seen)
        run.trace.predicted_w.append(known.report.predicted_w or 0.0)
        return limits

    run.control = control
    return run.run(seconds)


def constant(board: Board, asked: Asked, seconds: float, limits: Limits) -> Trace:
    """The board under the same limits for ever."""
    run = Run(board, asked, lambda _seen: limits)
    run.limits = limits
    return run.run(seconds)
